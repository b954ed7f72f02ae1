import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { KafkaAdmin } from '../../connectors/log/kafka/kafka-admin.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { planSwarm } from '../../topology/swarm/plan.ts'
import { kafkaOptions, openLog } from '../beekeeper/open-log.ts'
import { partsOf } from '../beekeeper/swarm-parts.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf, type Settings } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { exitStatus } from './exit-status.ts'

export interface ResetOptions {
  readonly force: boolean
  readonly dryRun: boolean
  /** The entrances' topics too. */
  readonly gateways: boolean
  readonly log?: string
  readonly json: boolean
}

interface Leftovers {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  readonly directories: readonly string[]
  /** What stays, and is read again from its beginning. */
  readonly kept: readonly string[]
  delete(): Promise<void>
  close(): Promise<void>
}

/** `waggle reset FILE`: a swarm's topics, positions and stores are gone, and it begins anew. */
export async function reset(file: string, options: ResetOptions): Promise<number> {
  const { force, dryRun, json } = options
  const env = options.log === undefined ? process.env : { ...process.env, WAGGLE_LOG: options.log }
  const { settings } = loadConfig({ directories: [dirname(file), process.cwd()], env })
  const plan = planSwarm(readSwarm(file, new BeeRegistry()), planSettingsOf(settings))
  const found = settings.log === 'embedded' ? await onDisk(settings) : await onCluster(settings, partsOf(plan), plan.applicationId, options)
  try {
    const isDone = force && !dryRun
    if (isDone) await found.delete()
    const { topics, groups, directories, kept } = found
    if (json) process.stdout.write(`${JSON.stringify({ topics, groups, directories, kept, deleted: isDone })}\n`)
    else process.stdout.write(`${textOf(found, isDone ? 'deleted' : 'would delete')}\n`)
    if (isDone || dryRun) return exitStatus.done
    if (!json) process.stderr.write('Nothing was deleted: say --force to do it, or --dry-run to only look.\n')
    return exitStatus.usage
  } finally {
    await found.close()
  }
}

async function onCluster(
  settings: Settings,
  parts: ReturnType<typeof partsOf>,
  applicationId: string,
  { gateways }: ResetOptions,
): Promise<Leftovers> {
  // Says in words where nobody answers.
  await (await openLog(settings)).close()
  const admin = new KafkaAdmin(kafkaOptions(settings))
  const wanted = { topics: [...parts.topics, ...(gateways ? parts.entrances : [])], groups: parts.groups }
  const there = await admin.existing(wanted)
  const { topics: kept } = await admin.existing({ topics: gateways ? [] : parts.entrances, groups: [] })
  const directories = [join(settings.data_dir, 'state', applicationId)].filter((path) => existsSync(path))
  return {
    ...there,
    kept,
    directories,
    async delete() {
      for (const directory of directories) await expectNobodyIn(directory)
      await admin.delete(there)
      for (const directory of directories) rmSync(directory, { recursive: true })
    },
    close: () => admin.close(),
  }
}

/** The embedded log is one for all swarms of a data directory. */
async function onDisk(settings: Settings): Promise<Leftovers> {
  const directories = ['log', 'flights'].map((name) => join(settings.data_dir, name)).filter((path) => existsSync(path))
  const log = directories.length === 0 ? null : await openLog(settings)
  const topics = (await log?.topics()) ?? []
  await log?.close()
  return {
    topics,
    groups: [],
    directories,
    kept: [],
    async delete() {
      for (const directory of directories) rmSync(directory, { recursive: true })
    },
    close: async () => {},
  }
}

/** WAGGLE_DATA_DIR_IN_USE where a process has it open. */
async function expectNobodyIn(directory: string): Promise<void> {
  const { openStateDirectory } = await import('../../connectors/rocksdb/state-directory.ts')
  await (await openStateDirectory({ directory, random: new SystemRandom() })).close()
}

function textOf({ topics, groups, directories, kept }: Leftovers, verb: string): string {
  const lines = [
    ...topics.map((name) => `${verb} topic      ${name}`),
    ...groups.map((name) => `${verb} positions  ${name}`),
    ...directories.map((name) => `${verb} directory  ${name}`),
    ...kept.map((name) => `read again from its beginning: ${name} (--gateways: that too is deleted)`),
  ]
  return lines.length === 0 ? 'There is nothing of it.' : lines.join('\n')
}
