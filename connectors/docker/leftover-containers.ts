import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { type DockerEngine, dockerSays, patientMs, within } from './docker-engine.ts'

export interface LeftoverContainersOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  readonly dataDirectory: string
}

/**
 * Containers that an earlier process with the same data directory left behind, because that process was killed before it could remove the containers.
 * Each container has labels with the data directory and the process that made it. The containers of a process that still runs are not removed.
 */
export class LeftoverContainers {
  readonly #engine: DockerEngine
  readonly #clock: Clock
  readonly labels: { readonly [name: string]: string }
  readonly #data: string
  readonly #run = randomUUID()
  #removed: Promise<void> | null = null

  constructor({ engine, clock, dataDirectory }: LeftoverContainersOptions) {
    this.#engine = engine
    this.#clock = clock
    this.#data = resolve(dataDirectory)
    this.labels = {
      [dataLabel]: this.#data,
      [pidLabel]: String(process.pid),
      [startLabel]: startOf(process.pid) ?? '',
      [runLabel]: this.#run,
    }
  }

  /**
   * Removes the leftover containers, once in the life of this process. If a container cannot be removed, that is logged, and new containers start all
   * the same.
   */
  remove({ log }: Pick<ProcessOptions, 'log'>): Promise<void> {
    this.#removed ??= this.#removeAll(log).catch((thrown: unknown) => {
      this.#removed = null
      log('warn', `containers of an earlier run cannot be removed: ${dockerSays(thrown)}`)
    })
    return this.#removed
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    return within(patientMs, answer, this.#clock)
  }

  async #removeAll(log: ProcessOptions['log']): Promise<void> {
    const docker = await this.#engine.client
    const found = await this.#within(docker.listContainers({ all: true, filters: { label: [`${dataLabel}=${this.#data}`] } }))
    for (const { Id: id, Names: names, Labels: all } of found) {
      const labels = new Map(Object.entries(all))
      if (labels.get(runLabel) === this.#run || isAlive(labels)) continue
      await this.#within(docker.getContainer(id).remove({ force: true, v: true }))
      log('info', `removed the container ${(names[0] ?? id).replace(/^\//, '')} of an earlier run`)
    }
  }
}

/** True if the process that made the container still runs: its id is in use, by a process that started at the same time. */
function isAlive(labels: ReadonlyMap<string, string>): boolean {
  const pid = Number(labels.get(pidLabel))
  const start = labels.get(startLabel) ?? ''
  try {
    process.kill(pid, 0)
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM'
  }
  const now = startOf(pid)
  return now === null || start === '' || now === start
}

/** The start of a process in ticks since the machine's start; null on a system without /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program is in brackets, and may contain spaces and brackets. The start is the 22nd field of the line, so the fields are counted
    // from the last bracket.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

const dataLabel = 'waggle.data'
const pidLabel = 'waggle.pid'
const startLabel = 'waggle.pid-start'
const runLabel = 'waggle.run'
