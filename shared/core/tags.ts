/**
 * What a filter `tag=key:value` holds. Keys and values may have colons of their own: `a:b:c` is the tag `a` of the value
 * `b:c`, and the tag `a:b` of the value `c`.
 */
export const hasTag = (tags: Record<string, string> = {}, tag: string): boolean =>
  Object.entries(tags).some(([key, value]) => `${key}:${value}` === tag);
