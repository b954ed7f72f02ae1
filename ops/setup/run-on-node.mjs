import { spawn } from 'node:child_process'
import { delimiter, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bringDependencies } from './bring-dependencies.mjs'
import { bringNode } from './bring-node.mjs'

/** The folder of this Waggle: a clone, or the package's `dist`. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

/**
 * Runs a Node that can run TypeScript, as a child process with the arguments that `argvOf` returns. Missing packages and a missing Node are installed
 * first. Signals are passed on to the child, and this process ends with the child's exit status. With `killsAtSecondSignal` a second signal kills the
 * child even if it is blocked. This file and its imports are plain JavaScript for Node 14, without dependencies.
 */
export function runOnNode(argvOf, { killsAtSecondSignal = true } = {}) {
  try {
    const argv = argvOf()
    bringDependencies(root)
    run(bringNode(root), argv, killsAtSecondSignal)
  } catch (error) {
    process.stderr.write(`waggle: ${error.message}\n`)
    process.exitCode = 3
  }
}

function run(node, argv, killsAtSecondSignal) {
  // Child processes that run `node`, such as a swarm's commands, must get the same Node. MALLOC_ARENA_MAX limits the number of glibc's arenas, which
  // keep freed memory, because many threads decode pictures.
  const env = Object.assign({ MALLOC_ARENA_MAX: '2' }, process.env, { PATH: dirname(node) + delimiter + (process.env.PATH || '') })
  const child = spawn(node, argv, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // Without a terminal, SIGHUP only makes the process read its settings again, so a second SIGHUP must not kill the process.
      if (killsAtSecondSignal && (signal !== 'SIGHUP' || process.stdin.isTTY)) killIfSecond()
      // For Ctrl-C, a terminal sends SIGINT to the child itself too, so the signal is not passed on.
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
    })
  }
  let firstAt = null
  // Kills the child at a second signal. One Ctrl-C may arrive several times, so signals within a short time count as one signal. The child gets a
  // moment to end by itself.
  function killIfSecond() {
    if (firstAt === null) firstAt = Date.now()
    else if (Date.now() - firstAt > sameSignalMs) setTimeout(() => child.kill('SIGKILL'), graceMs)
  }
  child.on('error', (error) => {
    process.stderr.write(`waggle: ${node} does not start: ${error.message}\n`)
    process.exitCode = 3
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code === null ? 1 : code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

const sameSignalMs = 500
const graceMs = 200
