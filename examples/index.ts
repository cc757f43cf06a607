/** The entry module of the examples: what it exports is what a host registers. */
export { airTraffic } from "./air-traffic/workflow.ts";
export { order } from "./order/workflow.ts";
