import { setTimeout } from 'node:timers/promises'
import { Connection, metadataV12 } from '@platformatic/kafka'

/**
 * Settles when every replica has what its leader has, by what each of the brokers knows. Until then the loss of one more is more than
 * brokers promise to bear: where the last one in sync dies, they choose one of those that are not (KIP-966), and what was acknowledged may be gone.
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
