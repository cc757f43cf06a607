/**
 * The commands that a workflow function has issued and its driver has not taken, in their order.
 *
 * What is due so long after it is asked for gets its time here: from the time at which the code asks (R3), or, if the
 * journal lacks it at a redrive, from the redrive, which asks for it again.
 */
import type {
  CallbackCreated,
  Command,
  ConditionStarted,
  GateOpened,
  SignalAwaited,
  TimerStarted,
} from "./events.ts";

type Without<Event> = Event extends unknown ? Omit<Event, "dueAt"> : never;
/** What may be due at a time, but for that time. */
export type Timed = Without<TimerStarted | SignalAwaited | GateOpened | CallbackCreated | ConditionStarted>;

export class Issued {
  #commands: { command: Command; dueInMs?: number }[] = [];
  #taken = 0;

  add(command: Command | Timed, askedAt: number, dueInMs: number | undefined): void {
    if (dueInMs === undefined) this.#commands.push({ command: command as Command });
    else this.#commands.push({ command: dueAt(command, askedAt + dueInMs), dueInMs });
  }

  /** What has not been taken is asked for again, at `now`. */
  askAgain(now: number): void {
    for (const issued of this.#commands.slice(this.#taken))
      if (issued.dueInMs !== undefined) issued.command = dueAt(issued.command, now + issued.dueInMs);
  }

  peek(): Command | undefined {
    return this.#commands[this.#taken]?.command;
  }

  take(): Command | undefined {
    const command = this.peek();
    if (command === undefined) return undefined;
    if (++this.#taken === this.#commands.length) {
      this.#commands = [];
      this.#taken = 0;
    }
    return command;
  }
}

const dueAt = (command: Command | Timed, time: number): Command => ({ ...command, dueAt: time }) as Command;
