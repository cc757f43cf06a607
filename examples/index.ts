/** The entry module of the examples: what it exports is what a host registers. */
export { airTraffic } from "./air-traffic/workflow.ts";
export { catalogue, fileImport } from "./catalogue/workflow.ts";
export { claim } from "./claim/workflow.ts";
export { expense } from "./expense/workflow.ts";
export { onboarding } from "./onboarding/workflow.ts";
export { order } from "./order/workflow.ts";
export { parcel } from "./parcel/workflow.ts";
export { quotes } from "./quotes/workflow.ts";
export { render } from "./render/workflow.ts";
export { subscription } from "./subscription/workflow.ts";
export { trip } from "./trip/workflow.ts";
