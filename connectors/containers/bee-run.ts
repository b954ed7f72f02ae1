/** One run of a bee's program, from its start to its end: a process of this machine, or a container. */
export interface BeeRun {
  /** The last lines that the program wrote to its standard error. */
  readonly lastWords: readonly string[]
  /** Bytes that were written and that the program has not read. */
  readonly unreadBytes: number
  write(bytes: Buffer): void
  onDrain(callback: () => void): void
  /** Ends the program's input. */
  end(): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface BeeRunEvents {
  stdout(chunk: Buffer): void
  /** Called once, when the program has ended or could not be started, and never while its run is made. `why` completes the sentence "it …". */
  gone(why: string): void
}
