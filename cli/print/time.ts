/** Times and lengths of time as people say them. */

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** `120 ms`, `3.2 s`, `4 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toString()} s`;
  const index = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  const [unit, unitMs] = UNITS[index]!;
  const whole = Math.floor(ms / unitMs);
  const next = UNITS[index + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % unitMs) / next[1]);
  return rest === 0 || whole >= 100 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${next![0]}`;
}

const rough = (ms: number): string => {
  const [unit, unitMs] = UNITS.find(([, size]) => ms >= size) ?? UNITS[3];
  return `${Math.floor(ms / unitMs)} ${unit}`;
};

/** `3 min ago`, `in 2 d`, `now`. */
export function relative(iso: string, now: number): string {
  const ms = Date.parse(iso) - now;
  if (Math.abs(ms) < 1_000) return "now";
  return ms < 0 ? `${rough(-ms)} ago` : `in ${rough(ms)}`;
}

/** The time of day on this machine. */
export function clock(iso: string): string {
  const at = new Date(iso);
  const two = (value: number) => String(value).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}
