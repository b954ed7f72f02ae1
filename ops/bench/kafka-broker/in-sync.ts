import { setTimeout } from 'node:timers/promises'
import { Admin } from '@platformatic/kafka'

/**
 * Settles when every replica has what its leader has. Until then the loss of one more broker is more than brokers promise to bear: where
 * the last one in sync dies, they choose one of those that are not (KIP-966), and what was acknowledged may be gone.
 */
export async function untilInSync(brokers: readonly string[]): Promise<void> {
  const admin = new Admin({ clientId: 'waggle-in-sync', bootstrapBrokers: [...brokers], retries: 100, retryDelay: 50 })
  try {
    for (;;) {
      const topics = await admin.listTopics({ includeInternals: true })
      const metadata = await admin.metadata({ topics, forceUpdate: true })
      const partitions = [...metadata.topics.values()].flatMap((topic) => topic.partitions)
      if (partitions.every(({ isr, replicas }) => isr.length === replicas.length)) return
      await setTimeout(50)
    }
  } finally {
    await admin.close()
  }
}
