/** One run of a bee's program, from start to end: a process of this machine, or a container. The program speaks the protocol of bees/PROTOCOL.md. */
export interface BeeRun {
  /** The last lines that the program wrote to its log. */
  readonly lastWords: readonly string[]
  /** The number of bytes that were written to the program and that the program has not read yet. */
  readonly unreadBytes: number
  /** Writes one message, in pieces. */
  write(pieces: readonly Uint8Array[]): void
  onDrain(callback: () => void): void
  /** Ends the program's input. */
  end(): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface BeeRunEvents {
  /** Called with bytes that the program has written: bytes of its socket if the program uses the socket, else bytes of standard output. */
  stdout(chunk: Buffer): void
  /** True for the id of a request that the program has, or has just answered. Waggle may read a result before it reads the log lines of the call. */
  hasRequest(id: string): boolean
  /**
   * Called once, when the program has ended or could not be started, and never inside the constructor of the run. `why` completes the sentence "it
   * …".
   */
  gone(why: string): void
}
