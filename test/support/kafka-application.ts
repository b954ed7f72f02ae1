import { type KafkaLogOptions, openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { openStateDirectory } from '../../connectors/rocksdb/state-directory.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { Application } from '../../processor/application/application.ts'
import type { ApplicationOptions } from '../../processor/application/options.ts'
import type { Log, StateDirectory } from '../../processor/ports.ts'
import { decorated } from '../../topology/decorated.ts'
import type { Topology } from '../../topology/graph.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { quickOptions } from './kafka-log.ts'

export interface KafkaApplicationOptions {
  readonly cluster: Pick<KafkaCluster, 'brokers'>
  readonly applicationId: string
  readonly topology: Topology
  readonly stateDir: string
  readonly processing?: KafkaLogOptions['processing']
  readonly application?: Partial<ApplicationOptions>
  readonly kafka?: Partial<KafkaLogOptions>
}

/** One process of an application, with real rebalances. The rebalances are as quick as tests need. */
export class KafkaApplication {
  readonly application: Application
  readonly log: Log
  readonly states: StateDirectory
  readonly failures: WaggleError[]

  private constructor(parts: {
    readonly application: Application
    readonly log: Log
    readonly states: StateDirectory
    readonly failures: WaggleError[]
  }) {
    this.application = parts.application
    this.log = parts.log
    this.states = parts.states
    this.failures = parts.failures
  }

  static async make(options: KafkaApplicationOptions): Promise<KafkaApplication> {
    const { cluster, applicationId, stateDir, processing = 'at_least_once' } = options
    const states = await openStateDirectory({ directory: stateDir, random: new SystemRandom() })
    const log = await openKafkaLog({ ...quickOptions(cluster), processing, instance: states.processId, ...options.kafka })
    const topology = decorated(options.topology, applicationId, { key: null, value: null, timestampExtractor: null })
    const failures: WaggleError[] = []
    const application = new Application({
      applicationId,
      topology,
      log,
      states,
      clock: systemClock,
      topics: [],
      commitIntervalMs: 50,
      onFailure: (error) => failures.push(error),
      ...options.application,
    })
    return new KafkaApplication({ application, log, states, failures })
  }

  async close(): Promise<void> {
    await this.application.close({ timeoutMs: 20_000 })
    await this.log.close()
    await this.states.close()
  }
}
