import { Admin, MultipleErrors, ResponseError } from '@platformatic/kafka'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { errorName, toWaggleError } from './cluster/broker-error.ts'
import { signIn } from './cluster/sign-in.ts'
import type { KafkaLogOptions } from './kafka-log.ts'

/** The topics and groups of an application on a cluster. */
export interface ApplicationHoldings {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
}

export type AdminOptions = Pick<KafkaLogOptions, 'brokers' | 'clientId' | 'ssl' | 'sasl'>

export function adminClient({ brokers, clientId, ssl, sasl }: AdminOptions): Admin {
  return new Admin({
    clientId,
    bootstrapBrokers: [...brokers],
    retries: 3,
    ...(ssl === undefined ? {} : { tls: ssl }),
    ...(sasl === undefined ? {} : { sasl: signIn(sasl) }),
  })
}

/** Operations on a cluster for operators: finding and deleting what an application has created. */
export class KafkaAdmin {
  readonly #admin: Admin

  constructor(options: AdminOptions) {
    this.#admin = adminClient(options)
  }

  async all(): Promise<ApplicationHoldings> {
    return { topics: await this.#admin.listTopics(), groups: [...(await this.#admin.listGroups({})).keys()] }
  }

  /** Deletes topics and groups. If a process of the application is running, throws WAGGLE_GROUP_IN_USE and deletes nothing. */
  async delete({ topics, groups }: ApplicationHoldings): Promise<void> {
    try {
      if (groups.length > 0) await this.#admin.deleteGroups({ groups: [...groups] })
    } catch (thrown) {
      if (errorsIn(thrown).includes('NON_EMPTY_GROUP')) {
        throw new WaggleError('WAGGLE_GROUP_IN_USE', {
          message: `Processes of ${groups.join(', ')} still run`,
          next: 'Stop these processes. A killed process stays a member of its group until its session times out.',
          cause: thrown,
        })
      }
      throw toWaggleError(thrown, 'The positions cannot be deleted')
    }
    try {
      if (topics.length > 0) await this.#admin.deleteTopics({ topics: [...topics] })
    } catch (thrown) {
      throw toWaggleError(thrown, 'The topics cannot be deleted')
    }
  }

  async close(): Promise<void> {
    await this.#admin.close()
  }
}

/** The names of Kafka's error codes in an error of the client library. */
function errorsIn(thrown: unknown): readonly string[] {
  if (thrown instanceof MultipleErrors) return thrown.errors.flatMap(errorsIn)
  if (thrown instanceof ResponseError) return Object.values(thrown.errors ?? {}).flatMap(errorsIn)
  const { apiCode, cause } = thrown as { readonly apiCode?: unknown; readonly cause?: unknown }
  return [...(typeof apiCode === 'number' ? [errorName(apiCode)] : []), ...(cause === undefined ? [] : errorsIn(cause))]
}
