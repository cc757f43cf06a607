/** The promises of `shared/ports/blobs.ts`, asked of any adapter. */
import { expect } from "vitest";
import { declareSuite, noise, type Opened, type SuiteOptions } from "../support/ports.ts";

type Port = Opened<"blobs">;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const plain = (bytes: Uint8Array): number[] => [...bytes];

/** `open` gives an empty store. */
export function blobsSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`blobs: ${name}`, open, options, (test) => {
    test("a blob comes back byte for byte", async (port) => {
      const every = Uint8Array.from({ length: 256 }, (_, index) => index);
      await port.blobs.put("runs/r1/every", every);
      await port.blobs.put("runs/r1/empty", new Uint8Array());
      await port.blobs.put("runs/r1/text", bytesOf("grüezi"));
      expect(plain(await port.blobs.get("runs/r1/every"))).toEqual(plain(every));
      expect(plain(await port.blobs.get("runs/r1/empty"))).toEqual([]);
      expect(plain(await port.blobs.get("runs/r1/text"))).toEqual(plain(bytesOf("grüezi")));
    });

    test("a blob of 6 MB comes back", async (port) => {
      const large = bytesOf(noise(6_000_000));
      await port.blobs.put("runs/r1/large", large);
      const back = await port.blobs.get("runs/r1/large");
      expect(Buffer.compare(back, large)).toBe(0);
    });

    test("a blob is stored by value", async (port) => {
      const bytes = bytesOf("before");
      const putting = port.blobs.put("k", bytes);
      await putting;
      bytes.fill(0);
      const first = await port.blobs.get("k");
      expect(plain(first)).toEqual(plain(bytesOf("before")));
      first.fill(0);
      expect(plain(await port.blobs.get("k"))).toEqual(plain(bytesOf("before")));
    });

    test("putting a blob twice, or many times at once, is harmless", async (port) => {
      const bytes = bytesOf(noise(70_000));
      await Promise.all(Array.from({ length: 8 }, () => port.blobs.put("runs/r1/same", bytes)));
      await port.blobs.put("runs/r1/same", bytes);
      expect(Buffer.compare(await port.blobs.get("runs/r1/same"), bytes)).toBe(0);
    });

    test("an unknown key is BlobNotFound", async (port) => {
      await expect(port.blobs.get("runs/nobody/x")).rejects.toMatchObject({
        code: "BlobNotFound",
        retryable: false,
      });
    });

    test("keys are apart, however alike or strange they are", async (port) => {
      const keys = [
        "a",
        "A",
        "a/b",
        "a/B",
        "a/b/c",
        "..",
        "a/../b",
        "a b",
        "a%20b",
        "ü",
        "ä/:~._-",
        ".",
        `long/${"x".repeat(400)}`,
      ];
      for (const key of keys) await port.blobs.put(key, bytesOf(`content of ${key}`));
      for (const key of keys)
        expect(plain(await port.blobs.get(key))).toEqual(plain(bytesOf(`content of ${key}`)));
      expect(new Set(await Promise.all(keys.map((key) => port.blobs.url(key)))).size).toBe(keys.length);
    });

    test("renewing blobs changes nothing that is seen", async (port) => {
      await port.blobs.put("runs/r1/a", bytesOf("a"));
      await port.blobs.renew("runs/r1/");
      await port.blobs.renew("nothing/here/");
      expect(plain(await port.blobs.get("runs/r1/a"))).toEqual(plain(bytesOf("a")));
    });

    test("removeAll removes what is under the prefix, and nothing else", async (port) => {
      const keys = ["runs/r1/a", "runs/r1/b/c", "runs/r10/a", "runs/r2/a", "runs/R1/a"];
      for (const key of keys) await port.blobs.put(key, bytesOf(key));
      await port.blobs.removeAll("runs/r1/");
      for (const key of keys.slice(0, 2))
        await expect(port.blobs.get(key)).rejects.toMatchObject({ code: "BlobNotFound" });
      for (const key of keys.slice(2)) expect(plain(await port.blobs.get(key))).toEqual(plain(bytesOf(key)));
      await port.blobs.removeAll("runs/r");
      await expect(port.blobs.get("runs/r10/a")).rejects.toMatchObject({ code: "BlobNotFound" });
      await expect(port.blobs.get("runs/r2/a")).rejects.toMatchObject({ code: "BlobNotFound" });
      expect(plain(await port.blobs.get("runs/R1/a"))).toEqual(plain(bytesOf("runs/R1/a")));
      await port.blobs.removeAll("nothing/here/");
    });

    test("removeAll removes any number of blobs", async (port) => {
      const keys = Array.from({ length: 60 }, (_, index) => `runs/many/${index}`);
      await Promise.all(keys.map((key) => port.blobs.put(key, bytesOf(key))));
      await port.blobs.removeAll("runs/many/");
      for (const key of keys)
        await expect(port.blobs.get(key)).rejects.toMatchObject({ code: "BlobNotFound" });
    });

    test("url names the blob", async (port) => {
      await port.blobs.put("runs/r1/a b", bytesOf("x"));
      expect(await port.blobs.url("runs/r1/a b")).toMatch(/^(https?:\/\/|\/blobs\/)\S+$/);
    });
  });
}
