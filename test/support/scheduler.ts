/**
 * EventBridge Scheduler's one-off schedules over HTTP, in this process: made, found, removed; and fired when a test
 * says that their time has come, which puts their message on the queue that they aim at.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";

interface Schedule {
  ScheduleExpression: string;
  Target: { Arn: string; Input: string };
}

export interface FakeScheduler {
  endpoint: string;
  /** When the earliest schedule fires, if there is one. */
  earliest(): number | undefined;
  /** Fires what is due by then. */
  fire(now: number): Promise<void>;
  stop(): Promise<void>;
}

/** `queueUrl` is where a queue's messages are sent, by its name. */
export async function startFakeScheduler(
  sqs: SQSClient,
  queueUrl: (name: string) => string,
): Promise<FakeScheduler> {
  const schedules = new Map<string, Schedule>();
  const server = createServer(async (request, response) => {
    const { status, type, body } = answered(schedules, request, await textOf(request));
    const headers = { "content-type": "application/json", ...(type && { "x-amzn-errortype": type }) };
    response.writeHead(status, headers).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const fire = async (now: number): Promise<void> => {
    for (const [name, schedule] of [...schedules].sort(([, left], [, right]) => atOf(left) - atOf(right))) {
      if (atOf(schedule) > now) return;
      schedules.delete(name);
      const { Arn, Input } = schedule.Target;
      await sqs.send(
        new SendMessageCommand({ QueueUrl: queueUrl(Arn.split(":").at(-1)!), MessageBody: Input }),
      );
    }
  };
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    earliest: () => [...schedules.values()].map(atOf).sort((left, right) => left - right)[0],
    fire,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const atOf = ({ ScheduleExpression }: Schedule): number =>
  Date.parse(`${/^at\((.*)\)$/.exec(ScheduleExpression)![1]}Z`);

interface Answer {
  status: number;
  type?: string;
  body: object;
}

function answered(
  schedules: Map<string, Schedule>,
  { method, url = "/" }: IncomingMessage,
  text: string,
): Answer {
  const { pathname } = new URL(url, "http://scheduler");
  const [, kind, name = ""] = pathname.split("/").map(decodeURIComponent);
  if (kind === "schedule-groups") return { status: 200, body: { ScheduleGroupArn: name } };
  const found = schedules.get(name);
  if (method === "POST") {
    if (found !== undefined) return refused(409, "ConflictException");
    schedules.set(name, JSON.parse(text) as Schedule);
    return { status: 200, body: { ScheduleArn: name } };
  }
  if (found === undefined) return refused(404, "ResourceNotFoundException");
  if (method === "DELETE") schedules.delete(name);
  return { status: 200, body: method === "DELETE" ? {} : { Name: name, ...found } };
}

const refused = (status: number, type: string): Answer => ({ status, type, body: { Message: type } });

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk as string;
  return text;
}
