/** Says what happens to the runs as it happens, a line an event. It decides nothing. */
import { styleText } from "node:util";
import type { JournalEvent } from "stepfold/client";

type Style = Parameters<typeof styleText>[0];
type Phrase = [what: string, style?: Style];

const TITLE_WIDTH = 13;

export class Narrator {
  readonly #begunAt: number;
  readonly #names = new Map<string, string>();
  readonly #owners = new Map<string, string>();

  constructor(begunAt: number) {
    this.#begunAt = begunAt;
  }

  say(at: number, who: string, what: string, style: Style = "reset"): void {
    console.log(
      `${styleText("dim", this.#clock(at).padStart(7))}  ${who.padEnd(TITLE_WIDTH)} ${styleText(style, what)}`,
    );
  }

  tell({ runId, title }: { runId: string; title: string }, event: JournalEvent): void {
    const operation = `${runId} ${text(event.operation)}`;
    if (typeof event.name === "string") this.#names.set(operation, event.name);
    const phrase = this.#phrase(runId, this.#names.get(operation) ?? "", event);
    if (phrase !== undefined) this.say(Date.parse(event.at), title, ...phrase);
  }

  #phrase(runId: string, name: string, event: JournalEvent): Phrase | undefined {
    switch (event.type) {
      case "LegStarted":
        return this.#pickedUp(runId, text(event.owner));
      case "StepStarted":
        return [`${name} begins`];
      case "StepAttemptFailed":
        return [`${name}: attempt ${text(event.attempt)} failed: ${messageOf(event)}`, "yellow"];
      case "StepRetried":
        return [`${name}: attempt ${text(event.attempt)} begins`];
      case "StepCompleted":
        return [`${name} ✓`, "green"];
      case "StepFailed":
        return [`${name} failed: ${messageOf(event)}`, "red"];
      case "TimerStarted":
        return [`${name}: sleeps until ${this.#clock(Date.parse(text(event.dueAt)))}`];
      case "TimerFired":
        return [`${name}: wakes`];
      case "SignalAwaited":
        return [`waits for the signal "${name}"`, "cyan"];
      case "SignalDelivered":
        return [`the signal "${name}" came`, "cyan"];
      case "RunCompleted":
        return ["completed", ["bold", "green"]];
      case "RunFailed":
        return [`failed: ${messageOf(event)}`, ["bold", "red"]];
      default:
        return undefined;
    }
  }

  #pickedUp(runId: string, owner: string): Phrase | undefined {
    const before = this.#owners.get(runId);
    this.#owners.set(runId, owner);
    return before === undefined || before === owner ? undefined : ["picked up by the new host", "magenta"];
  }

  #clock(at: number): string {
    return `${((at - this.#begunAt) / 1_000).toFixed(1)} s`;
  }
}

const text = (value: unknown): string => (value === undefined ? "" : String(value));
const messageOf = ({ error }: JournalEvent): string =>
  text((error as { message?: string } | undefined)?.message);
