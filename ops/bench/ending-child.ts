import { type ChildProcess, type ForkOptions, fork, type SpawnOptions, spawn } from 'node:child_process'
import { Guardian } from '../../connectors/processes/guardian.ts'

/** One shell for all children of this process. The shell kills the children's process groups when this process has ended for any reason. */
const guardian = new Guardian({ finishMs: 0, termMs: 0 })

/**
 * Starts a program in a new process group. The whole group ends when this process ends, even by SIGKILL or Ctrl-C.
 *
 * @example
 * ```ts
 * const child = spawnEnding(process.execPath, ['server.ts'], { stdio: 'ignore' })
 * ```
 */
export function spawnEnding(program: string, argv: readonly string[], options: SpawnOptions): ChildProcess {
  return guarded(spawn(program, argv, { ...options, detached: true }))
}

/** Starts a module as `spawnEnding` starts a program, with a channel for messages. */
export function forkEnding(module: string | URL, argv: readonly string[], options: ForkOptions): ChildProcess {
  return guarded(fork(module, argv, { ...options, detached: true }))
}

function guarded(child: ChildProcess): ChildProcess {
  const { pid } = child
  if (pid === undefined) return child
  guardian.watch(pid)
  child.once('exit', () => guardian.forget(pid))
  return child
}
