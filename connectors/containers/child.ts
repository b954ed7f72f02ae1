import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { ProcessOptions } from '../../topology/swarm/ports/processes.ts'

export interface ChildEvents {
  stdout(chunk: Buffer): void
  stderr(line: string): void
  /** Once, when it is gone or never came. `why` ends the sentence "it …". */
  gone(why: string): void
}

/** One run of a bee's program, in a process group of its own: a terminal's Ctrl-C is for us, and we tell it in order. */
export class Child {
  readonly #process: ChildProcessWithoutNullStreams
  #isGone = false

  constructor({ command, env, swarm, bee }: ProcessOptions, events: ChildEvents) {
    const [program = '', ...argv] = command
    this.#process = spawn(program, argv, {
      detached: true,
      env: { ...inherited(), ...env, WAGGLE_PROTOCOL: '1', WAGGLE_SWARM: swarm, WAGGLE_BEE: bee },
      stdio: 'pipe',
    })
    const gone = (why: string) => {
      if (this.#isGone) return
      this.#isGone = true
      events.gone(why)
    }
    this.#process.on('error', (error: NodeJS.ErrnoException) =>
      gone(error.code === 'ENOENT' ? `cannot be found: ${program}` : `cannot be started: ${error.message}`),
    )
    // `close`, not `exit`: what it wrote last is still on its way.
    this.#process.on('close', (code, signal) => gone(signal === null ? `ended with status ${code}` : `was ended by ${signal}`))
    this.#process.stdin.on('error', () => {})
    this.#process.stdout.on('data', events.stdout)
    eachLine(this.#process.stderr, events.stderr)
  }

  write(bytes: Buffer): void {
    this.#process.stdin.write(bytes)
  }

  /** Bytes that it has not read yet. */
  get unreadBytes(): number {
    return this.#process.stdin.writableLength
  }

  onDrain(callback: () => void): void {
    this.#process.stdin.once('drain', callback)
  }

  end(): void {
    this.#process.stdin.end()
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { pid } = this.#process
    if (this.#isGone || pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      this.#process.kill(signal)
    }
  }
}

/** Nothing of ours that could hold a secret. */
function inherited(): { [name: string]: string } {
  return Object.fromEntries(
    ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

function eachLine(stream: NodeJS.ReadableStream, found: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(0, maxLineCharacters)
    for (const line of lines) if (line.trim() !== '') found(line.slice(0, maxLineCharacters))
  })
  stream.on('end', () => {
    if (rest.trim() !== '') found(rest)
  })
}

const maxLineCharacters = 8192
