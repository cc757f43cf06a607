/**
 * Ports as one process sees them: once it is dead, nothing that it still asks for happens, and nothing that it had
 * asked for is answered. What the world had already done by then stays done.
 */
import type { Ports } from "../engine/parts.ts";
import type { Clock } from "../ports/clock.ts";
import type { Publisher } from "../ports/publisher.ts";

export interface Life {
  isOver: boolean;
  /** Called before and after each call of a port that the process makes: it may end its life. */
  onCall(): void;
}

const never = (): Promise<never> => new Promise(() => {});

export function mortalPorts(ports: Ports, life: Life): Ports {
  return {
    journal: mortal(ports.journal, life),
    queue: mortal(ports.queue, life),
    scheduler: mortal(ports.scheduler, life),
    blobs: mortal(ports.blobs, life),
    runners: mortal(ports.runners, life),
    registers: mortal(ports.registers, life),
    publisher: mortalPublisher(ports.publisher, life),
    clock: mortalClock(ports.clock, life),
    meter: ports.meter,
  };
}

/** For ports whose every method answers a promise. */
function mortal<Port extends object>(port: Port, life: Life): Port {
  return new Proxy(port, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]) => {
        if (life.isOver) return never();
        life.onCall();
        if (life.isOver) return never();
        try {
          const answer: unknown = await member.apply(target, args);
          if (!life.isOver) life.onCall();
          return life.isOver ? never() : answer;
        } catch (error) {
          if (life.isOver) return never();
          throw error;
        }
      };
    },
  });
}

function mortalPublisher(publisher: Publisher, life: Life): Publisher {
  const { publish } = mortal<Pick<Publisher, "publish">>(
    { publish: (changes) => publisher.publish(changes) },
    life,
  );
  return { tells: (status) => publisher.tells(status), publish };
}

function mortalClock(clock: Clock, life: Life): Clock {
  return {
    now: () => clock.now(),
    random: () => clock.random(),
    id: () => clock.id(),
    sleep: async (ms, signal) => {
      if (!life.isOver) await clock.sleep(ms, signal);
      if (life.isOver) await never();
    },
    after: (ms, callback) =>
      clock.after(ms, () => {
        if (!life.isOver) callback();
      }),
  };
}
