/** What every command that speaks to an API has in common: where it is, `--json`, and how failures are told. */
import { Command, InvalidArgumentError, Option } from "commander";
import { type Connection, connect, URL_HERE, type WhereOptions } from "../connect/connection.ts";
import { explained, problemOf } from "../connect/problem.ts";
import { openTerminal, type Terminal } from "../print/terminal.ts";
import { jsonText } from "../print/text.ts";

export interface ApiOptions extends WhereOptions {
  json?: boolean;
}

export interface Api extends Connection {
  terminal: Terminal;
  isJson: boolean;
  now(): number;
  /** One JSON document; many of them, a line each. */
  sayJson(value: unknown): void;
  sayJsonLine(value: unknown): void;
}

export const apiCommand = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option("--url <url>", `the API's address (or STEPFOLD_URL; by default ${URL_HERE})`)
    .option("--stack <name>", "the deployed stack's name, or stack/construct (or STEPFOLD_STACK)")
    .option("--token <jwt>", "sent as a bearer token (or STEPFOLD_TOKEN)")
    .option("--sign", "sign requests with AWS credentials, as those to a stack are")
    .addOption(new Option("--json", "print JSON, for scripts"));

/** Runs a command's work. Its number is the exit code; without one, the work has set it. */
export async function withApi(
  options: ApiOptions,
  work: (api: Api) => Promise<number | undefined>,
): Promise<void> {
  const terminal = openTerminal(process.env);
  const isJson = options.json === true;
  let connection: Connection | undefined;
  try {
    connection = await connect(options, process.env);
    const exitCode = await work({
      ...connection,
      terminal,
      isJson,
      now: Date.now,
      sayJson: (value) => terminal.say(jsonText(value, 2)),
      sayJsonLine: (value) => terminal.say(jsonText(value)),
    });
    if (exitCode !== undefined) process.exitCode = exitCode;
  } catch (error) {
    const { exitCode, ...problem } = problemOf(
      connection === undefined ? error : explained(error, connection),
    );
    terminal.note(isJson ? jsonText({ error: problem }) : `stepfold: ${problem.message}`);
    process.exitCode = exitCode;
  }
}

/** The parser of an option that is a whole number from 1. */
export function countOf(given: string): number {
  if (/^[1-9]\d{0,8}$/.test(given)) return Number(given);
  throw new InvalidArgumentError("Expected a whole number from 1.");
}

/** The parser of a sequence. */
export function sequenceOf(given: string): number {
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw new InvalidArgumentError("Expected a sequence: a whole number from 0.");
}
