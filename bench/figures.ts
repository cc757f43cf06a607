/** How figures are made and shown: one JSON line each, with the machine's load beside it. */
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";

export const percentile = (values: number[], share: number): number => {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

export async function report(workload: string, work: () => Promise<object>): Promise<void> {
  const load = round(loadavg()[0]!);
  const figures = await work();
  console.log(JSON.stringify({ workload, ...figures, load_before: load, load_after: round(loadavg()[0]!) }));
}

/** Linux: a process's present and highest resident memory, in MB. */
export function memoryMb(pid: number): { now: number; peak: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const mb = (name: string) => round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024, 0);
    return { now: mb("VmRSS"), peak: mb("VmHWM") };
  } catch {
    return { now: Number.NaN, peak: Number.NaN };
  }
}
