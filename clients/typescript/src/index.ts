/** The public interface of `@earcon/client`. */

export { CredentialsError, type Entrance, type Purpose, type Target, type Token } from "./access.ts";
export { backoff } from "./backoff.ts";
export { Client } from "./client.ts";
export type {
  AnomaliesPage,
  AnomaliesQuery,
  ClientOptions,
  Cluster,
  ClusterNode,
  ClusterWorkspace,
  DeletionQuery,
  IncidentsPage,
  IncidentsQuery,
  Mix,
  SamplesQuery,
  SeriesRows,
  SocketClass,
} from "./client.ts";
export type {
  Arm,
  DetectorEntry,
  Detectors,
  Evidence,
  Experiment,
  ExperimentStage,
  ExperimentStep,
  Job,
  JobState,
} from "./experiments.ts";
export type { EventsOptions, Reset } from "./events.ts";
export { ApiError, ask, type Fetch } from "./http.ts";
export type { IngestOptions, Receipt, Rejected, Sample } from "./ingest.ts";
export { HEARTBEAT, type Cursor, type Filter, type Heartbeat, type Link, type LinkOptions, type Phase } from "./link.ts";
export { parsePacket, type Packet } from "./listen/packet.ts";
export { Player, type Counters, type HeardCue, type Listening, type ListenState, type PlayerOptions } from "./listen/player.ts";
export { sentence } from "./sentence.ts";
export { Subscription, type Follower, type Environment, type Socket } from "./subscription.ts";
export * from "./wire.ts";
