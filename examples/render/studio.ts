/** A render farm in memory: a job is ready once it has been looked at often enough. */
import { Once } from "../once.ts";

export const farm = new Once();

const looks = new Map<string, number>();

export const studio = {
  submit: (scene: string, frames: number, key: string): { jobId: string; frames: number } =>
    farm.do(key, `render ${scene}`, () => ({ jobId: `job-${key}`, frames })),
  /** A frame is done with every look. */
  look: ({ jobId, frames }: { jobId: string; frames: number }) => {
    const done = (looks.get(jobId) ?? 0) + 1;
    looks.set(jobId, done);
    return done < frames ? undefined : { url: `https://farm.example/${jobId}.mp4` };
  },
  forget: (): void => {
    farm.forget();
    looks.clear();
  },
};
