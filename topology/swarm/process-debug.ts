/** A running process as its operator asks about it: the levels of its log, and a profile. */
export interface ProcessDebug {
  /** The levels of the log, as the setting `log_level` writes them. */
  readonly logLevel: string
  /** Changes the levels until the settings are read again. Throws WAGGLE_BAD_REQUEST for a text that has no levels. */
  setLogLevel(levels: string): void
  /** Profiles the process for a time. Throws WAGGLE_PROFILE_RUNNING while another profile runs. */
  profile(seconds: number): Promise<ProcessProfile>
  /** Ends a profile that still runs. The profile then covers the time until now. */
  close(): Promise<void>
}

export const profileLimits = { seconds: 60, usualSeconds: 10 } as const

/** A profile of one process, over a time. */
export interface ProcessProfile {
  /** Epoch milliseconds. */
  readonly started_at: number
  readonly seconds: number
  readonly threads: readonly ThreadProfile[]
  /** The bees that had calls in that time. The bee with the most time comes first. */
  readonly bees: readonly BeeTime[]
}

/** The profile of one JavaScript thread, in the formats of V8: `.cpuprofile` and `.heapprofile`. */
export interface ThreadProfile {
  /** `main`, or `thread-N`. */
  readonly thread: string
  /** The file that a thread began with; empty for the main thread. */
  readonly file: string
  /** Null if the thread has not answered, because it was computing without a pause. */
  readonly cpu: CpuProfile | null
  readonly allocations: object | null
}

export interface CpuProfile {
  readonly nodes: readonly CpuNode[]
  /** Microseconds of V8's own clock. */
  readonly startTime: number
  readonly endTime: number
  /** The ids of the nodes at the top of the stack, one id for each sample. */
  readonly samples?: readonly number[]
  /** Microseconds between samples. */
  readonly timeDeltas?: readonly number[]
}

export interface CpuNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number; readonly columnNumber: number }
  readonly children?: readonly number[]
  readonly hitCount?: number
}

/** The parts of the requests' time that were spent at one bee. */
export interface BeeTime {
  readonly swarm: string
  readonly bee: string
  readonly calls: number
  readonly rows: number
  /** The mean time from the arrival of a row to the start of its call, in ms; null without rows. */
  readonly wait_ms: number | null
  /** The mean time of a call, in ms; null without calls. */
  readonly call_ms: number | null
}
