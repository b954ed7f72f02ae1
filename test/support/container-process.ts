/** `container-process.ts DATA_DIRECTORY IMAGE`: runs a container that ignores the end of its input, and reports the start on standard output. */
import { DockerContainers } from '../../connectors/docker/docker-containers.ts'
import { DockerEngine } from '../../connectors/docker/docker-engine.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'

const [dataDirectory = '', image = ''] = process.argv.slice(2)
await new DockerContainers({ engine: new DockerEngine(), clock: systemClock, dataDirectory }).open({
  swarm: 'test',
  bee: 'stubborn',
  image,
  command: ['node', '-e', `console.log('{"waggle": 1}'); setInterval(() => {}, 1000)`],
  env: {},
  limits: { memoryBytes: 256 * 1024 ** 2, cpus: 1, pids: 64 },
  network: null,
  gpu: 0,
  log: () => {},
})
console.log('runs')
