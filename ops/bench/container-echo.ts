import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { DockerContainers } from '../../connectors/docker/docker-containers.ts'
import { DockerEngine } from '../../connectors/docker/docker-engine.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { OpenProcess } from '../../topology/swarm/ports/processes.ts'
import { importRoot, writeNodeRoot } from './node-image.ts'

/** Starts a Node script in a container. The image is made from this Node, and is removed when the container is closed. */
export async function openInContainer(directory: string, script: string): Promise<OpenProcess> {
  const engine = new DockerEngine()
  const client = await engine.client
  const root = join(directory, 'node-root')
  mkdirSync(root)
  writeNodeRoot(root)
  await importRoot(client, { root, tar: join(directory, 'node-root.tar'), image })
  const open = await new DockerContainers({ engine, clock: systemClock, dataDirectory: directory }).open({
    swarm: 'bench',
    bee: 'echo',
    image,
    command: ['node', '--input-type=module', '-e', script],
    env: {},
    limits: { memoryBytes: 1024 ** 3, cpus: availableParallelism(), pids: 64 },
    network: null,
    gpu: 0,
    log: () => {},
  })
  return {
    get isReady() {
      return open.isReady
    },
    call: (calls) => open.call(calls),
    async close() {
      await open.close()
      await client.getImage(image).remove({ force: true })
    },
  }
}

/** The reason why container rows are left out, as the end of a sentence; null if they can be measured. */
export function withoutDocker(): Promise<string | null> {
  return new DockerEngine().absence()
}

const image = 'waggle-bench/node:1'
