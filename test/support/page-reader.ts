import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { type PageCommands, type PageStep, type Terminal, terminals } from './page-steps.ts'
import { ShownText } from './shown-text.ts'
import { TypedCommand } from './typed-command.ts'

export interface PageReaderOptions {
  /** The folder in which the reader begins. */
  readonly directory: string
  readonly env: { readonly [name: string]: string | undefined }
  /** A file for the reader's own use, outside of `directory`. */
  readonly note: string
  /** Names and ports of the page that are others in this run. Default: none. */
  readonly values?: ReadonlyMap<string, string>
}

/** Follows the steps of a page like a person: types the commands, saves the files, and compares the output with the page. */
export class PageReader {
  readonly #env: PageReaderOptions['env']
  readonly #note: string
  readonly #text = new ShownText()
  #folder: string
  /** The running programs by their terminals. Further commands are typed into another terminal, which opens in the same folder. */
  readonly #running = new Map<Terminal, TypedCommand>()

  constructor({ directory, env, note, values = new Map() }: PageReaderOptions) {
    this.#folder = directory
    this.#env = env
    this.#note = note
    for (const [shown, real] of values) this.#text.learn(shown, real)
  }

  async take(step: PageStep): Promise<void> {
    switch (step.kind) {
      case 'run':
        return this.#run(step)
      case 'write':
        return this.#write(join(this.#folder, step.file), step.text)
      case 'log': {
        const program = this.#programOf(step)
        await program.until((printed) => this.#text.isIn(printed, step.shown), longestMomentMs)
        return this.#text.find(program.printed, step.shown)
      }
      case 'stop':
        return this.#stop(step.terminal, this.#programOf(step))
    }
  }

  /** Presses Ctrl-C in each terminal. */
  async stopAll(): Promise<void> {
    for (const [terminal, program] of this.#running) await this.#stop(terminal, program)
  }

  async #stop(terminal: Terminal, program: TypedCommand): Promise<void> {
    program.signal('SIGINT')
    await program.ended
    this.#running.delete(terminal)
  }

  async close(): Promise<void> {
    for (const program of this.#running.values()) {
      program.signal('SIGKILL')
      await program.ended
    }
  }

  #programOf({ line, terminal }: { readonly line: number; readonly terminal: Terminal }): TypedCommand {
    return this.#running.get(terminal) ?? assert.fail(`Line ${line}: nothing runs in the ${terminal} terminal`)
  }

  /** Types a block. Its last command may fail only if the page shows the failure. */
  async #run({ script, shown, isEventual }: PageCommands): Promise<void> {
    let command = await this.#type(script)
    const lastMs = systemClock.elapsedMs() + longestMomentMs
    // On a machine that is busy with other tests, the gateway answers 503.
    const isTooSoon = ({ printed }: TypedCommand) =>
      printed.includes('WAGGLE_OVERLOADED') || (isEventual && shown !== null && !this.#text.isIn(printed, shown))
    while (isTooSoon(command) && systemClock.elapsedMs() < lastMs) command = await this.#type(script)
    if (shown !== null) this.#text.find(command.printed, shown)
    else assert.ok(command.status === null || command.status === 0, `${script}\nended with ${command.status}:\n${command.printed}`)
  }

  /** Waits until the block has ended, or until Waggle has printed its address. */
  async #type(script: string): Promise<TypedCommand> {
    const command = new TypedCommand(`set -e\ntrap 'pwd >"${this.#note}"' DEBUG EXIT\n${this.#text.real(script)}`, {
      cwd: this.#folder,
      env: {
        ...this.#env,
        WAGGLE_HTTP_PORT: this.#running.size === 0 ? '0' : this.#text.real(gateway).split(':')[1],
        WAGGLE_CLICKHOUSE_PORT: '0',
        // The pages show lines of a log in the form for a terminal.
        WAGGLE_LOG_FORMAT: 'text',
      },
    })
    await command.until(isReady)
    this.#folder = readFileSync(this.#note, 'utf8').trim()
    if (command.status !== null) return command
    const isFirst = this.#running.size === 0
    this.#running.set(terminals.find((terminal) => !this.#running.has(terminal)) ?? assert.fail(`Too many programs run: ${script}`), command)
    if (!isFirst) return command
    for (const [, name, port = ''] of command.printed.matchAll(/^ {2}(Gateway(?: and API)?|ClickHouse) +http:\/\/127\.0\.0\.1:(\d+)/gm)) {
      this.#text.learn(name === 'ClickHouse' ? database : gateway, `127.0.0.1:${port}`)
    }
    return command
  }

  #write(path: string, text: string): void {
    assert.ok(existsSync(dirname(path)), `No folder for ${path}`)
    writeFileSync(path, this.#text.real(text))
  }
}

const gateway = '127.0.0.1:8080'
const database = '127.0.0.1:8123'
const longestMomentMs = 30_000

/** True if Waggle has printed its address, and the output that follows it. */
function isReady(printed: string): boolean {
  return /Ctrl-C stops it[.;]/.test(printed)
}
