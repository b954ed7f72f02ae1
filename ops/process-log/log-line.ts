/** The levels of the process's log, the least important first. */
export type LogLevel = (typeof logLevels)[number]

export const logLevels = ['debug', 'info', 'warn', 'error'] as const

/** The fields of a log line in addition to its message, most of them about a failure. A field without a value is left out. */
export interface LogFields {
  readonly swarm?: string
  readonly request_id?: string
  /** The first ids of a batch, with spaces between them. Only a line has this member that a bee's process wrote during the call of a batch. */
  readonly request_ids?: string
  /** The number of all requests of the batch. Only lines with `request_ids` have this member. */
  readonly requests?: number
  /** A module has printed the line to a stream that people read, which has shown it already. The console does not show it again. */
  readonly is_shown?: true
  readonly code?: string
  /** The place in a user’s file where the error was thrown: `file:line:column`. */
  readonly place?: string
  readonly task?: string
  readonly topic?: string
  readonly partition?: number
  /** A decimal number as text, because it may exceed 2^53. */
  readonly offset?: string
  /** The next step, as a sentence. */
  readonly next?: string
  /** Only in the line with the number of omitted failures: how many failures of this swarm, module and code have no line. */
  readonly left_out?: number
  /** Only in a line of the audit log: the name of what the call created, if its path does not have it. */
  readonly target?: string
  /** Only in a line of the audit log: the options of the call, such as `purge=true`, with spaces between them. */
  readonly flags?: string
  /** Only in a line of the audit log: the caller had no permission for the call. */
  readonly refused?: true
  /** The stack of the error. It is shown only at the level `debug`. */
  readonly stack?: string
}

/** The current levels of the process's log, in the form of the setting `log_level`. The levels can change while the process runs. */
export interface LogLevels {
  readonly text: string
  /** Sets the levels. The text must pass `isLogLevels`. */
  set(text: string): void
}

/** Writes a line of the process's log. `module` is a bee, or a part of the process such as `gateway`; it is empty for a line about a whole swarm. */
export type LogLine = (module: string, level: LogLevel, message: string, fields?: LogFields) => void
