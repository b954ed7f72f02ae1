/**
 * One run of a bee's program, from its start to its end: a process of this machine, or a container. The program speaks the protocol of
 * bees/PROTOCOL.md.
 */
export interface BeeRun {
  /** The last lines that the program wrote to its log. */
  readonly lastWords: readonly string[]
  /** The number of bytes that were written to the program and that it has not read yet. */
  readonly unreadBytes: number
  /** Writes one message, in pieces. */
  write(pieces: readonly Uint8Array[]): void
  onDrain(callback: () => void): void
  /** Ends the program's input. */
  end(): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface BeeRunEvents {
  /** Called with bytes that the program has written: to its socket if it speaks there, else to standard output. */
  stdout(chunk: Buffer): void
  /**
   * Called once, when the program has ended or could not be started, and never inside the constructor of the run. `why` completes the sentence "it
   * …".
   */
  gone(why: string): void
}
