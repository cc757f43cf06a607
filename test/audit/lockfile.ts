/**
 * What can be said of the packages that are deployed without asking anybody: from the lockfile alone.
 *
 * 1. Every package that goes into a deployment is on the list of those that somebody has looked at.
 * 2. Each is pinned by a SHA-512 of its contents.
 * 3. None runs a script when it is installed, but those that `allowScripts` names.
 */

export interface Locked {
  version?: string;
  integrity?: string;
  dev?: boolean;
  peer?: boolean;
  optional?: boolean;
  link?: boolean;
  hasInstallScript?: boolean;
}

export interface Lockfile {
  packages: Record<string, Locked>;
}

const nameOf = (path: string): string =>
  path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

/** The packages that a user installs with this one, by name. */
export function deployed({ packages }: Lockfile): [name: string, locked: Locked][] {
  return Object.entries(packages)
    .filter(([path, { dev, peer, link }]) => path !== "" && !dev && !peer && !link)
    .map(([path, locked]) => [nameOf(path), locked]);
}

/** What is wrong, a line each. */
export function problemsOf(
  lockfile: Lockfile,
  reviewed: readonly string[],
  allowScripts: Record<string, boolean>,
): string[] {
  const found = deployed(lockfile);
  const names = new Set(found.map(([name]) => name));
  return [
    ...found.flatMap(([name, { version, integrity, hasInstallScript }]) => [
      ...(reviewed.includes(name)
        ? []
        : [`${name}@${version} is new: look at it, then add it to reviewed.txt`]),
      ...(integrity?.startsWith("sha512-") ? [] : [`${name}@${version} is not pinned by a SHA-512`]),
      ...(hasInstallScript && !allowScripts[name]
        ? [`${name}@${version} runs a script when it is installed`]
        : []),
    ]),
    ...reviewed.filter((name) => !names.has(name)).map((name) => `${name} is gone: take it off reviewed.txt`),
  ];
}
