import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { LocalProcesses } from '../../connectors/processes/local-processes.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Clock } from '../../processor/ports.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { OpenProcess, ProcessCall } from '../../topology/swarm/ports/processes.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'

export const neverAborted = new AbortController().signal

export const json = (value: unknown): Payload => ({ kind: 'json', json: value })

/** A folder for the scripts of one test file, which is removed after its tests. */
export function scriptFolder(): { readonly file: (script: string, name?: string) => string } {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bee-script-'))
  after(() => rmSync(directory, { recursive: true }))
  let scripts = 0
  return {
    file(script, name = `${scripts++}.mjs`) {
      const file = join(directory, name)
      writeFileSync(file, script)
      return file
    },
  }
}

export interface ScriptOptions {
  readonly lines?: string[]
  readonly clock?: Clock
  readonly workers?: number
}

/** Starts a Node script as a bee. */
export function openScript(file: string, { lines = [], clock = systemClock }: ScriptOptions = {}): Promise<OpenProcess> {
  return new LocalProcesses({ clock }).open({
    swarm: 'test',
    bee: 'script',
    command: [process.execPath, file],
    env: {},
    log: (_, line) => lines.push(line),
  })
}

export function calls(values: readonly unknown[], options: Partial<ProcessCall> = {}): readonly ProcessCall[] {
  return values.map((value, at) => ({ id: String(at), payload: json(value), deadline: null, signal: neverAborted, ...options }))
}

export async function call(opened: OpenProcess, value: unknown, options: Partial<ProcessCall> = {}): Promise<Payload | WaggleError> {
  const [outcome] = await opened.call(calls([value], options))
  return outcome as Payload | WaggleError
}

/**
 * The beginning of a script that speaks JSON lines on its socket. `hello` is its first line, `write(message)` writes a message, and `body` runs for
 * each `message` of Waggle.
 */
export function onSocket(hello: object, body: string): string {
  return `
    import { connect } from 'node:net'
    import { createInterface } from 'node:readline'
    const channel = connect(process.env.WAGGLE_BEE_SOCKET)
    const write = (message) => channel.write(JSON.stringify(message) + '\\n')
    channel.on('connect', () => write(${JSON.stringify(hello)}))
    for await (const line of createInterface(channel)) {
      const message = JSON.parse(line)
      const { id, json } = message
      ${body}
    }
    process.exit(0)`
}
