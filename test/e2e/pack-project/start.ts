import { createClient } from "stepfold/client";
import { greet } from "./workflows.ts";

const client = createClient({ url: process.argv[2]! });
const run = await client.start(greet, { name: "Ada" });
const output: { greeting: string; at: string } = await client.result(run);
// @ts-expect-error: the input's types are those of the workflow
client.start(greet, { nickname: "Ada" }).catch(() => {});
console.log(output.greeting);
