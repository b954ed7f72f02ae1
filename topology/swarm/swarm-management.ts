/** The swarms of a server as an operator sees them. */
export interface SwarmManagement {
  list(): readonly SwarmRow[]
  /** The details of one swarm. Throws WAGGLE_UNKNOWN_SWARM if there is no swarm of this name. */
  get(name: string): Promise<SwarmDetail>
  /** Checks a definition with the models, modules and programs of this machine. Throws WAGGLE_INVALID_SWARM, which lists every mistake. */
  validate(definition: SwarmText): Promise<SwarmFindings>
  /**
   * Starts a swarm, and settles when it answers requests and its definition is durable. Throws WAGGLE_INVALID_SWARM, WAGGLE_SWARM_EXISTS,
   * WAGGLE_SWARM_NOT_STARTED.
   */
  create(definition: SwarmText): Promise<SwarmRow>
  /**
   * Replaces a swarm by a new version, or creates it. The same text with the same files of code changes nothing, unless `reloadHere` or
   * `reloadEverywhere` is set, or the swarm has failed. Throws WAGGLE_SWARM_BUSY if another change of the swarm is under way, and
   * WAGGLE_UPDATE_NEEDS_ACCEPT. Throws WAGGLE_UPDATE_TIMEOUT or WAGGLE_SWARM_NOT_STARTED if the older version goes on.
   */
  update(name: string, definition: SwarmText, options?: UpdateOptions): Promise<UpdatedSwarm>
  /**
   * Compares a definition with the version that runs. The swarm is not changed. Throws the errors with which `update` refuses the definition before
   * it opens the bees.
   */
  compare(name: string, definition: SwarmText): Promise<SwarmDifference>
  /**
   * Makes an earlier version the newest one. Throws WAGGLE_UNKNOWN_VERSION, and the errors of `update`. If files of code are not as the earlier version
   * had them, it needs `accept`, because only its text can come back.
   */
  rollback(name: string, version: number | null, options?: UpdateOptions): Promise<UpdatedSwarm>
  /** Makes a swarm refuse new requests. The swarm stops when it has finished the requests that it has, or after some seconds. */
  pause(name: string): Promise<SwarmRow>
  /** Starts a swarm that is paused or that failed to start. */
  resume(name: string): Promise<SwarmRow>
  /** Stops a swarm and deletes its definition. Its topics and state stay, unless `purge` is set. */
  remove(name: string, options?: { readonly purge?: boolean }): Promise<void>
  bees(name: string): readonly BeeRow[]
  /** One bee of a swarm. Throws WAGGLE_UNKNOWN_BEE if there is no bee of this name. */
  bee(name: string, bee: string): BeeRow
  /** The last lines that a bee wrote into the log of this process, the oldest first. */
  beeLog(name: string, bee: string, after: number): readonly BeeLine[]
}

export interface UpdateOptions {
  /** True: accepts differences that give up state, and other files than an earlier version had. */
  readonly accept?: boolean
  /** True: this server alone loads the files of the swarm again, even if the text is the same. No new version is made. */
  readonly reloadHere?: boolean
  /** True: the text becomes a new version even if it is the same, so that all servers of the log load the files of the swarm again. */
  readonly reloadEverywhere?: boolean
}

/** A swarm file as a text, YAML or JSON. */
export interface SwarmText {
  readonly text: string
  /** The name of the file in messages. */
  readonly file: string
  /** The directory of relative paths; null: the directory in which the server was started. */
  readonly directory: string | null
}

export const swarmStates = ['starting', 'running', 'updating', 'paused', 'failed', 'stopping'] as const

/** The states of a bee: its own, and those of its swarm. */
export const beeStates = [...swarmStates, 'restarting'] as const

export interface SwarmRow {
  readonly name: string
  readonly state: (typeof swarmStates)[number]
  /** The number of the version, from 1. Null for a swarm whose file was given to the process at its start. */
  readonly version: number | null
  /** `api`: the swarm was created at the server. `file`: the process was started with the swarm's file. */
  readonly source: 'api' | 'file'
  readonly gateways: readonly string[]
  readonly bees: number
  /** The times of the swarm's creation and of its last update, in epoch milliseconds; null for a swarm of a file. */
  readonly created_at: number | null
  readonly updated_at: number | null
  /** The reason why the swarm did not start, or why its last update failed. */
  readonly error: SwarmFailure | null
}

export interface SwarmFailure {
  readonly code: string
  readonly detail: string
  readonly next: string
}

export interface SwarmDetail extends SwarmRow {
  /** The text of the swarm's file. */
  readonly definition: string
  /** The directory of relative paths, relative to the server's directory; null for a swarm of a file. */
  readonly directory: string | null
  readonly versions: readonly SwarmVersionRow[]
}

export interface SwarmVersionRow {
  readonly version: number
  readonly created_at: number
  readonly current: boolean
  /** The files of code that are not as this version had them, as this process sees them; null if the version has no hashes of its files. */
  readonly changed_files: readonly string[] | null
}

export interface UpdatedSwarm extends SwarmRow {
  /** False if the definition and its files of code were the same as those of the running version. */
  readonly changed: boolean
  /** Facts that the caller should know, each as a sentence without its full stop. */
  readonly remarks: readonly string[]
}

export interface SwarmFindings {
  readonly name: string
  readonly bees: number
  readonly warnings: readonly SwarmMistake[]
}

/** A mistake with its place, as `waggle validate --json` prints it. */
export interface SwarmMistake {
  readonly file: string | null
  readonly line: number | null
  readonly column: number | null
  readonly code: string
  readonly message: string
  readonly next: string
}

/** The effects of an edit of a swarm, before anything is changed. */
export interface SwarmDifference {
  readonly swarm: string
  readonly version: number | null
  readonly bees: Changes
  readonly gateways: Changes
  readonly topics: Changes
  readonly stores: Changes
  /** The files of code that the version that runs had otherwise. */
  readonly files: readonly ChangedFile[]
  /** Effects that need `accept`. */
  readonly needs_accept: readonly string[]
  /** The requests that this process has accepted, and whose outcome it does not know yet. Other processes have requests of their own. */
  readonly requests_in_flight: number
  /** Facts about the update beside its effects, each as a sentence without its full stop. */
  readonly remarks: readonly string[]
}

/** A file that is not as it was. */
export interface ChangedFile {
  readonly file: string
  /** The bees that run the file. */
  readonly bees: readonly string[]
}

export interface Changes {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

export interface BeeRow {
  readonly swarm: string
  readonly name: string
  readonly type: string
  readonly inputs: readonly string[]
  /**
   * The state of the bee in this process while its swarm runs, else the state of its swarm. `restarting`: none of the bee's processes can take a call
   * at the moment. `failed`: the bee could not be opened.
   */
  readonly state: (typeof beeStates)[number]
  /** The run of the process that gives this row. The state and the counts are of this process alone. */
  readonly instance: string
  /** The bee's spec as the swarm's file has it. Secrets stay names. */
  readonly spec: { readonly [key: string]: unknown }
  readonly gpu: number
  readonly replicas: number
  readonly max_replicas: number
  readonly timeout_seconds: number | null
  readonly on_error: 'fail' | 'skip'
  /** Rows since the start of this process, by their outcome. */
  readonly results_total: number
  readonly refused_total: number
  readonly failed_total: number
  readonly calls_total: number
  /** The mean time of a call; null if there was no call. */
  readonly mean_call_seconds: number | null
}

export interface BeeLine {
  /** The number of the line. It rises by 1 from line to line of a process. */
  readonly sequence: number
  readonly time: number
  readonly level: string
  readonly message: string
  /** The id of the request whose call wrote the line; undefined if the request is not known. */
  readonly request_id?: string
}
