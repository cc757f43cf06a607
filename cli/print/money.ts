/** US dollars, however few of them. */

/** Two digits that count: `$0.0000034`, `$1.20`, `$0`. */
export function dollars(usd: number): string {
  if (usd === 0) return "$0";
  if (usd >= 0.1) return `$${usd.toFixed(2)}`;
  const digits = 1 - Math.floor(Math.log10(usd));
  return `$${usd.toFixed(Math.min(20, digits))}`;
}
