/**
 * Every limit and default length of time, with its unit and, for AWS's, its source. Asserted where it is met.
 */

/** DynamoDB: the largest item, names included. docs: amazondynamodb/latest/developerguide/Constraints.html */
export const ITEM_BYTES_MAX = 400 * 1024;
/** A payload above this is kept in the blob store and named by the entry. */
export const INLINE_PAYLOAD_BYTES_MAX = 32 * 1024;
/** One entry's events as JSON, before compression. Above it, events are spread over several entries. */
export const ENTRY_BYTES_MAX = 256 * 1024;
/** The payloads of signals that one run hands on to the next, in its first entry: what is above it goes into blobs, but
 * for what is hardly larger than the name of one. */
export const CARRIED_BYTES_MAX = 128 * 1024;
export const BLOB_WORTH_BYTES = 512;
/** Event 0 up to this size is kept in the header; a larger one's input goes into an entry of its own. */
export const HEADER_EVENT_BYTES_MAX = 600;
/** What a register holds: an item with room for its keys. */
export const REGISTER_BYTES_MAX = 390 * 1024;
/** About what an entry's keys and attributes take beside its events. */
export const ENTRY_OVERHEAD_BYTES = 120;
/** One write unit. */
export const WRITE_UNIT_BYTES = 1024;
/** One strongly consistent read unit; an eventually consistent read costs half. */
export const READ_UNIT_BYTES = 4096;
/** Entries that one page of a read holds at most, and the bytes at which a page is full. */
export const PAGE_ENTRIES_MAX = 1_000;
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Entries that are read with the header, in one request: a run of no more has no use for segments. */
export const HEAD_ENTRIES = 100;
/** A segment's packed bytes: an item's, less its keys. */
export const SEGMENT_BYTES_MAX = 390 * 1024;
/** SQS: one message and one batch. docs: AWSSimpleQueueService quotas, 1 MiB since August 2025. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** SQS: `DelaySeconds`. */
export const MESSAGE_DELAY_MS_MAX = 15 * 60_000;
export const MESSAGES_PER_BATCH_MAX = 10;
/** EventBridge Scheduler: a schedule's name. */
export const SCHEDULE_NAME_LENGTH_MAX = 64;
/** EventBridge Scheduler fires within the minute: schedules aim this much early, the rest is a message's delay. */
export const SCHEDULE_EARLY_MS = 60_000;
/** Times of one schedule that may stand in line behind a run, each a run of the engine's own. */
export const SCHEDULE_LINE_MAX = 20;
export const NAME_LENGTH_MAX = 128;
/** Branches of one fork: their names lie in one event. */
export const BRANCHES_MAX = 1_000;
/** A gate's question: it lies in the journal beside other events. */
export const PROMPT_LENGTH_MAX = 16_000;
/** What a run keeps of an error: its texts and data in all, its message, texts in its data once they must be cut, and
 * how many causes below it. So many characters of any kind fit into an entry beside others. */
export const ERROR_LENGTH_MAX = 20_000;
export const ERROR_MESSAGE_LENGTH_MAX = 16_000;
export const ERROR_DATA_TEXT_LENGTH_MAX = 200;
export const ERROR_CAUSES_MAX = 8;
export const RUN_ID_LENGTH_MAX = 128;
export const REQUEST_BYTES_MAX = 5_500_000;
export const INLINE_OUTPUT_BYTES_MAX = 5_250_000;
/** Lambda returns 6 MB (6,291,556 bytes), headers included. docs: lambda/latest/dg/gettingstarted-limits.html */
export const ANSWER_BYTES_MAX = 6_200_000;
export const LIST_LIMIT_MAX = 200;
export const LIST_LIMIT_DEFAULT = 50;

/** A leg's default and largest length. Lambda: 15 minutes. */
export const LEG_MS = 2 * 60_000;
export const LEG_MS_MAX = 15 * 60_000;
/** Owners' clocks may differ by this much. */
export const CLOCK_SKEW_MS = 2_000;
/** A step without a timeout gets this. */
export const STEP_TIMEOUT_MS = 60_000;
/** A delay up to this is awaited in the leg: cheaper than a message, a park and a claim. */
export const AWAIT_IN_LEG_MS = 250;
/** While one operation stays in flight, the leg reads the journal's tail this often. */
export const TAIL_READ_MS = 3_000;
/** A run is due for the sweep this long after it should have moved by itself. */
export const SWEEP_AFTER_MS = 60_000;
/** The sweep tries a stalled run again, and any run that it has woken in vain, this much later. */
export const SWEEP_BACKOFF_MS = 3 * 60_000;
/** A run that waits for nothing with a time is due again after this. */
export const DUE_HORIZON_MS = 365 * 86_400_000;
/** A park shorter than this leaves `dueAt` where it is: the sweep then moves it, if it ever matters. */
export const DUE_MOVE_MS = 15 * 60_000;
/** A wake names an event that is not there yet: it is put back until its sender must have ended. */
export const WAKE_SENDER_MS = 60_000;
export const WAKE_PUT_BACK_MS = 1_000;
/** Every item lives this long plus the run's retention (J7). */
export const EXPIRY_HORIZON_MS = 30 * 86_400_000;
export const RETENTION_MS = 30 * 86_400_000;
/** The bucket lets a blob go at this age, unless the deployment says otherwise. */
export const BLOB_EXPIRY_MS = DUE_HORIZON_MS + EXPIRY_HORIZON_MS + RETENTION_MS;
/** A run that is extended renews those of its blobs that are older than this. */
export const BLOB_RENEW_MS = 180 * 86_400_000;
export const PREFER_WAIT_SECONDS_MAX = 25;
/** Shards of the due and list indexes: each takes 1,000 writes a second. */
export const INDEX_SHARDS = 8;
/** Suspended functions kept in memory by a warm process. */
export const RESIDENT_RUNS_MAX = 1_000;
/** Operations, signals and untold events of all the runs kept in memory between two legs, and for further appends. */
export const RESIDENT_EVENTS_MAX = 250_000;
export const KNOWN_EVENTS_MAX = 250_000;
/** A message received more often than this goes to the dead-letter queue. */
export const RECEIVES_MAX = 10;
/** What closing a leg takes: it takes no more work this long before its lease ends. */
export const LEG_CLOSING_MS = 1_000;
/** A wake's event that is not there yet is looked for this long before the wake is put back. */
export const WAKE_LOOK_MS = 300;
/** Runs whose journal a process keeps for further appends from outside. */
export const KNOWN_RUNS_MAX = 200;
/** Runs of which a process remembers that it has sent a wake for the end of their lease. */
export const LEASE_ENDS_MAX = 1_000;
/** What a turn may send and its answer may hold. Lambda: 6 MB for the request and the response of one invocation. */
export const TURN_BYTES_MAX = 6_000_000;
/** A runner that cannot be reached is tried for this long, at most so far apart. */
export const RUNNER_LOST_MS_MAX = 5 * 60_000;
export const RUNNER_RETRY_MS = 1_000;
export const RUNNER_RETRY_MS_MAX = 20_000;
/** The longest lease of an outside worker. */
export const LEASE_MS_MAX = 365 * 86_400_000;
/** Items of a step that one request may add or change. */
export const ITEMS_AT_ONCE_MAX = 1_000;
/** However a poll backs off, it checks at least this often. */
export const POLL_EVERY_MS_MAX = 86_400_000;
/** A map of more items than this is a tree of runs. */
export const MAP_IN_LEG_MAX = 100;
/** Children of one node of that tree, and items of a leaf unless `batch` says otherwise. */
export const MAP_FAN_OUT_MAX = 100;
export const MAP_BATCH = 100;
export const MAP_BATCH_MAX = 1_000;
/** Maps of other runs whose items and code a process keeps: a leaf without them replays the mapping run. */
export const MAP_SITES_MAX = 20;
/** A leaf that stores results together stores those that it has after this long. */
export const MAP_CHECKPOINT_MS = 500;
