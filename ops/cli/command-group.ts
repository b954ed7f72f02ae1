import type { Command } from 'commander'

/** The command `waggle` to which a group of commands is added, and the end of each of these commands. */
export interface CommandGroup {
  readonly program: Command
  /** Sets the exit status of the process. */
  readonly finish: (status: number) => void
}
