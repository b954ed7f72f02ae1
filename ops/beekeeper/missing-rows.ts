import type { ClickHouseDatabase } from '../../connectors/clickhouse/clickhouse-database.ts'
import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { GlobalStores } from '../../processor/state/global-stores.ts'
import { threadProgram } from '../../processor/thread/thread-program.ts'
import type { Topology } from '../../topology/graph.ts'
import type { SwarmPlan } from '../../topology/swarm/plan.ts'
import type { LogLine } from './running-swarm.ts'

export interface MissingRowsOptions {
  readonly plan: SwarmPlan
  readonly topology: Topology
  readonly log: EmbeddedLog
  readonly database: ClickHouseDatabase
  readonly say: LogLine
}

/**
 * Moves sinks back where the database has fewer rows than their positions say, as when its directory was deleted or is an older copy. The sinks then
 * write the missing rows again; a row that is written twice is one row. Reports rows whose records are past their retention: these stay missing.
 */
export async function saveMissingRows({ plan, topology, log, database, say }: MissingRowsOptions): Promise<void> {
  const { groups } = threadProgram(plan.applicationId, topology, { maxCachedEntries: 0, globals: new GlobalStores() })
  for (const { name, type, spec } of plan.bees) {
    if (type.role !== 'sink' || typeof spec.table !== 'string') continue
    const saved = await database.savedUpTo(spec.table, plan.swarm)
    for (const { group, subtopologies } of groups) {
      const own = subtopologies.filter(({ nodes }) => nodes.some((node) => node.name === name))
      for (const topic of new Set(own.flatMap(({ sources }) => sources))) {
        let [again, gone] = [0, 0]
        for (const [partition, { start, end }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
          const position = log.position(group, topic, partition)?.offset ?? start
          const next = saved.get(`${topic} ${partition}`) ?? 0
          if (next >= position) continue
          gone += Math.max(0, Math.min(start, position) - next)
          const from = Math.max(next, start)
          if (from >= position || from >= end) continue
          again += position - from
          await log.rewind(group, { topic, partition, offset: from })
        }
        if (again > 0) say(name, 'info', `the database has no rows of the last ${again} records of ${topic} that were read: they are read again`)
        if (gone > 0)
          say(name, 'warn', `the database has no rows of up to ${gone} records of ${topic}, which are past their retention: these rows stay missing`)
      }
    }
  }
}
