import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { KafkaAdmin } from '../../connectors/log/kafka/kafka-admin.ts'
import { hadLog } from '../../connectors/system/data-format.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { kafkaOptions, openLog } from '../beekeeper/open-log.ts'
import type { SwarmHoldings } from '../beekeeper/swarm-holdings.ts'
import type { Settings } from '../config/settings.ts'
import { deleteFolders, expectNobodyIn, stateFolders } from '../streams/state-folders.ts'
import { type InferredHoldings, inferredHoldings, type LogNames, withStepHoldings } from './inferred-holdings.ts'

/** The remains of a swarm or an application in a log. */
export interface Leftovers {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  /** The ids of applications whose stores are in the log. */
  readonly stores: readonly string[]
  readonly directories: readonly string[]
  /** Topics that are not deleted. The swarm reads them again from their beginning. */
  readonly kept: readonly string[]
  /** Groups that may belong to another application. They are not deleted. */
  readonly unsure: readonly string[]
  /** Deletes the remains. After a crash, `delete` can be called again. */
  delete(): Promise<void>
  close(): Promise<void>
}

/** The application to reset. If there is no plan, `holdings` is null, and topics and groups are found by their names. */
export interface ResetApplication {
  readonly applicationId: string
  readonly holdings: SwarmHoldings | null
}

/** The remains of an application in a data directory, without the topics, positions and stores of other applications in the same log. */
export async function leftoversOnDisk(settings: Settings, { applicationId, holdings }: ResetApplication): Promise<Leftovers> {
  const log = await openIfThere(settings)
  if (log === null) return none
  const there = { ...log.holdings(), topics: await log.topics() }
  const { groups, topics, unsure } = foundHoldings(applicationId, holdings, there)
  // The topic is kept if another application also reads the same gateway's topic.
  const isOwn = (topic: string) => log.readersOf(topic).every((group) => groups.includes(group))
  const wanted = new Set([...topics, ...(holdings?.entrances ?? []).filter(isOwn)])
  const found = {
    topics: there.topics.filter((topic) => wanted.has(topic)),
    groups: groups.filter((group) => there.groups.includes(group)),
    stores: there.applications.filter((id) => id === applicationId),
  }
  return {
    ...found,
    directories: [],
    kept: [],
    unsure,
    delete: () => log.remove({ topics: found.topics, groups: found.groups, applications: found.stores }),
    close: () => log.close(),
  }
}

/** The positions of one group in a data directory. */
export async function positionsOnDisk(settings: Settings, group: string): Promise<Leftovers> {
  const log = await openIfThere(settings)
  if (log === null) return none
  return { ...none, groups: log.hasPositions(group) ? [group] : [], delete: () => log.forgetPositions(group), close: () => log.close() }
}

export async function leftoversOnCluster(settings: Settings, { applicationId, holdings }: ResetApplication, gateways: boolean): Promise<Leftovers> {
  // Opening the log fails with a clear error if the cluster cannot be reached. The log is not used otherwise.
  await (await openLog(settings)).close()
  const admin = new KafkaAdmin(kafkaOptions(settings))
  const all = await admin.all()
  const { groups, topics, unsure } = foundHoldings(applicationId, holdings, { ...all, applications: [] })
  const entrances = (holdings?.entrances ?? []).filter((topic) => all.topics.includes(topic))
  const found = {
    topics: [...topics.filter((topic) => all.topics.includes(topic)), ...(gateways ? entrances : [])],
    groups: groups.filter((group) => all.groups.includes(group)),
  }
  const directories = stateFolders(settings.data_dir, applicationId)
  return {
    ...found,
    stores: [],
    kept: gateways ? [] : entrances,
    directories,
    unsure,
    async delete() {
      await expectNobodyIn(directories)
      await admin.delete(found)
      deleteFolders(directories)
    },
    close: () => admin.close(),
  }
}

function foundHoldings(applicationId: string, holdings: SwarmHoldings | null, names: LogNames): InferredHoldings {
  return holdings === null ? inferredHoldings(applicationId, names) : { ...withStepHoldings(applicationId, holdings, names), unsure: [] }
}

async function openIfThere({ data_dir }: Settings) {
  const directory = join(data_dir, 'log')
  const wasMade = hadLog(data_dir)
  return wasMade || existsSync(directory) ? openEmbeddedLog({ directory, clock: systemClock, wasMade }) : null
}

const none: Leftovers = {
  topics: [],
  groups: [],
  stores: [],
  directories: [],
  kept: [],
  unsure: [],
  delete: async () => {},
  close: async () => {},
}
