import { basename, dirname, resolve } from 'node:path'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { maxSwarmBytes } from '../../topology/swarm/swarm-document.ts'
import type { Changes, SwarmDetail, SwarmDifference, SwarmRow, SwarmVersionRow, UpdatedSwarm } from '../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { callServer, longCallMs, type ServerCall } from '../inspection/server-call.ts'
import { exitStatus } from './exit-status.ts'
import { type ServerOptions, serverOf } from './server-options.ts'
import { textTable } from './text-table.ts'
import { timeText } from './time-text.ts'

/** Options of the commands that send a swarm file. */
export interface SentFileOptions extends ServerOptions {
  /** The folder at the server in which the relative paths of the swarm begin. Default: the folder of the file, for a server on the same machine. */
  readonly directory?: string
}

/** `waggle swarms create FILE`: starts a swarm at the server, and returns when it is ready. */
export async function createSwarm(file: string, options: SentFileOptions): Promise<number> {
  const row = (await call(options, { method: 'POST', path: `/v1/swarms?${placeOf(file, options)}`, text: textOf(file) }, file)) as SwarmRow
  print(options, row, `${row.name} is ${row.state}, version ${row.version}; its gateways: ${row.gateways.join(', ') || 'none'}`)
  return exitStatus.done
}

/**
 * `waggle swarms apply -f FILE…`: creates or updates swarms. A swarm whose file and files of code are unchanged is not updated, unless `reload` is set.
 */
export async function applySwarms(
  files: readonly string[],
  options: SentFileOptions & { readonly accept: boolean; readonly reload: boolean },
): Promise<number> {
  const rows: UpdatedSwarm[] = []
  for (const file of files) {
    const { name } = readSwarm(file, beeRegistry(dirname(file)))
    const path = `/v1/swarms/${encodeURIComponent(name)}?${placeOf(file, options)}${options.accept ? '&accept=true' : ''}${options.reload ? '&reload=true' : ''}`
    const row = (await call(options, { method: 'PUT', path, text: textOf(file) }, file)) as UpdatedSwarm
    rows.push(row)
    if (!options.json)
      process.stdout.write(
        `${[`${row.name}: ${row.changed ? `${row.state}, version ${row.version}` : 'unchanged'}`, ...remarkLines(row)].join('\n')}\n`,
      )
  }
  if (options.json) process.stdout.write(`${JSON.stringify(rows)}\n`)
  return exitStatus.done
}

/** `waggle swarms list`: prints a line for each swarm of the server. */
export async function listSwarms(options: ServerOptions): Promise<number> {
  const rows = (await call(options, { method: 'GET', path: '/v1/swarms' })) as readonly SwarmRow[]
  const cells = rows.map(({ name, state, version, gateways, bees, error }) => [
    name,
    state,
    version === null ? '-' : String(version),
    String(bees),
    gateways.join(', '),
    error === null ? '' : error.code,
  ])
  print(
    options,
    rows,
    rows.length === 0
      ? 'There is no swarm. Create one: waggle swarms create FILE'
      : textTable(['swarm', 'state', 'version', 'bees', 'gateways', 'error'], cells),
  )
  return exitStatus.done
}

/** `waggle swarms get NAME`: prints one swarm with its versions and its text. */
export async function getSwarm(name: string, options: ServerOptions): Promise<number> {
  const swarm = (await call(options, { method: 'GET', path: pathOf(name) })) as SwarmDetail
  const { state, version, gateways, error, versions, definition } = swarm
  const lines = [
    `${name} is ${state}${version === null ? '' : `, version ${version}`}; its gateways: ${gateways.join(', ') || 'none'}`,
    ...(error === null ? [] : [`error    ${error.detail}. ${error.next}`]),
    ...versions.map((one) => `version  ${one.version}  ${timeText(one.created_at)}${one.current ? '  current' : ''}${changedSince(one)}`),
    '',
    definition.trimEnd(),
  ]
  print(options, swarm, lines.join('\n'))
  return exitStatus.done
}

/** `waggle swarms delete NAME`: stops a swarm and removes it from the server. */
export async function deleteSwarm(name: string, options: ServerOptions & { readonly purge: boolean }): Promise<number> {
  await call(options, { method: 'DELETE', path: `${pathOf(name)}${options.purge ? '?purge=true' : ''}` })
  print(options, { deleted: name }, `${name} is removed${options.purge ? ', with its topics and its state' : '; its topics and its state stay'}`)
  return exitStatus.done
}

/** `waggle swarms pause NAME` and `waggle swarms resume NAME`: pauses or resumes a swarm. */
export async function switchSwarm(name: string, verb: 'pause' | 'resume', options: ServerOptions): Promise<number> {
  const row = (await call(options, { method: 'POST', path: `${pathOf(name)}/${verb}` })) as SwarmRow
  print(options, row, `${name} is ${row.state}`)
  return exitStatus.done
}

/** `waggle swarms rollback NAME`: makes an earlier version the newest version. */
export async function rollbackSwarm(name: string, options: ServerOptions & { readonly to?: number; readonly accept: boolean }): Promise<number> {
  const query = new URLSearchParams({ ...(options.to === undefined ? {} : { version: String(options.to) }), accept: String(options.accept) })
  const row = (await call(options, { method: 'POST', path: `${pathOf(name)}/rollback?${query}` })) as UpdatedSwarm
  const said = row.changed ? `${name} is ${row.state}, version ${row.version}` : `${name} is unchanged: the text of that version runs`
  print(options, row, [said, ...remarkLines(row)].join('\n'))
  return exitStatus.done
}

/** `waggle plan --diff FILE`: prints the effects that an edited file would have on the running swarm. */
export async function compareSwarm(file: string, options: SentFileOptions): Promise<number> {
  const { name } = readSwarm(file, beeRegistry(dirname(file)))
  const difference = (await call(
    options,
    { method: 'POST', path: `${pathOf(name)}/compare?${placeOf(file, options)}`, text: textOf(file) },
    file,
  )) as SwarmDifference
  print(options, difference, differenceText(difference))
  return exitStatus.done
}

/** Calls the server. In errors about a file, the file has the path that the user gave. */
export async function call(options: ServerOptions, request: ServerCall, file: string | null = null): Promise<unknown> {
  try {
    return await callServer(await serverOf(options), { ...request, signal: AbortSignal.timeout(longCallMs) })
  } catch (thrown) {
    throw file === null ? thrown : withPath(thrown, file)
  }
}

export function print({ json }: ServerOptions, value: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`)
}

function pathOf(name: string): string {
  return `/v1/swarms/${encodeURIComponent(name)}`
}

function textOf(file: string): string {
  return Buffer.from(readBounded(file, { maxBytes: maxSwarmBytes, next: 'Name a swarm file.' })).toString()
}

/** The name of the file for messages, and the folder at which its relative paths begin. */
function placeOf(file: string, { directory = resolve(dirname(file)) }: SentFileOptions): string {
  const name = basename(file)
  const query = new URLSearchParams({ directory, ...(/^[\w .-]{1,200}$/.test(name) ? { file: name } : {}) })
  return query.toString()
}

function withPath(thrown: unknown, file: string): unknown {
  if (!(thrown instanceof WaggleError) || !(thrown.cause instanceof AggregateError)) return thrown
  const moved = (error: WaggleError) => {
    const { code, message, next, place = '' } = error
    return new WaggleError(code, { message, next, place: place.replace(/^[^:]*(?=:\d+:\d+$)/, file) })
  }
  const mistakes = thrown.cause.errors.filter((one): one is WaggleError => one instanceof WaggleError).map(moved)
  return new WaggleError(thrown.code, { message: thrown.message, next: thrown.next, cause: new AggregateError(mistakes) })
}

function differenceText({ swarm, version, needs_accept: needs, requests_in_flight: inFlight, remarks, files, ...parts }: SwarmDifference): string {
  const lines = [
    ...(['bees', 'gateways', 'topics', 'stores'] as const).flatMap((kind) => changeLines(kind, parts[kind])),
    ...files.map(({ file, bees }) => `~ ${'files'.padEnd(8)}  ${file} (${bees.join(', ')})`),
  ]
  const begin = `${swarm} against ${version === null ? 'what runs' : `version ${version}, which runs`}`
  const requests = `${inFlight} ${inFlight === 1 ? 'request is' : 'requests are'} in flight at the server that answers; the version that runs answers them`
  return [
    lines.length === 0 ? `${begin}: nothing changes` : begin,
    ...lines,
    ...needs.map((need) => `! ${need}`),
    ...remarkLines({ remarks }),
    ...(needs.length === 0 ? [] : ['An update needs --accept.']),
    ...(lines.length === 0 ? [] : [requests]),
  ].join('\n')
}

function changeLines(kind: string, { added, removed, changed }: Changes): readonly string[] {
  const lines = (sign: string, names: readonly string[]) => names.map((name) => `${sign} ${kind.padEnd(8)}  ${name}`)
  return [...lines('+', added), ...lines('-', removed), ...lines('~', changed)]
}

function remarkLines({ remarks }: { readonly remarks: readonly string[] }): readonly string[] {
  return remarks.map((remark) => `* ${remark}`)
}

function changedSince({ changed_files: changed }: SwarmVersionRow): string {
  return changed === null || changed.length === 0 ? '' : `  changed since: ${changed.join(', ')}`
}
