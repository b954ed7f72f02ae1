/** One run of a bee's program, from its start to its end: a process of this machine, or a container. It speaks bees/PROTOCOL.md. */
export interface BeeRun {
  /** The last lines that the program wrote to its log. */
  readonly lastWords: readonly string[]
  /** Bytes that were written and that the program has not read. */
  readonly unreadBytes: number
  /** Writes one message, in pieces. */
  write(pieces: readonly Uint8Array[]): void
  onDrain(callback: () => void): void
  /** Ends the program's input. */
  end(): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface BeeRunEvents {
  /** The program has written bytes to standard output, or to its socket where it speaks on that. */
  stdout(chunk: Buffer): void
  /** Called once, when the program has ended or could not be started, and never while its run is made. `why` completes the sentence "it …". */
  gone(why: string): void
}
