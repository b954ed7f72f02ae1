import { setTimeout } from 'node:timers/promises'
import { Connection, metadataV12 } from '@platformatic/kafka'

/**
 * Settles when each broker reports that every replica is in sync. Before that, the loss of another broker may lose acknowledged records: if the last
 * replica in sync dies, the brokers choose a leader that lacks records (KIP-966).
 */
export async function untilInSync(brokers: readonly string[]): Promise<void> {
  for (const broker of brokers) while (!(await isInSync(broker))) await setTimeout(50)
}

async function isInSync(broker: string): Promise<boolean> {
  const connection = new Connection('waggle-in-sync')
  try {
    const [host = '', port = ''] = broker.split(':')
    await connection.connect(host, Number(port))
    const { topics } = await metadataV12.api.async(connection, null, false, false)
    const partitions = topics.flatMap((topic) => topic.partitions)
    return partitions.every(({ isrNodes, replicaNodes }) => isrNodes.length === replicaNodes.length)
  } finally {
    await connection.close()
  }
}
