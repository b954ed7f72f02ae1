/** Takes the lines that one bee's code prints. */
export interface Printer {
  /** Takes a line. `isShown` is true if the stream shows the line itself, so that the log need only keep it. */
  print(line: string, isShown: boolean): void
}

/** Connects text that code in this process prints, for example by `console.log`, with a bee. */
export interface Printing {
  /** Calls `act`. The printer takes the lines that `act` prints, also after an `await`. */
  call<T>(printer: Printer, act: () => T): T
  /** Does the same as `call` at a lower cost. The printer does not take lines that `act` prints later. */
  callNow<T>(printer: Printer, act: () => T): T
  /** Writes text to a standard stream of the process, in the name of a printer. */
  write(printer: Printer, stream: PrintedStream, text: string): void
}

export type PrintedStream = 'stdout' | 'stderr'
