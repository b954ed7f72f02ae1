import { join } from 'node:path'
import type { BeePorts } from '../../bees/define-bee.ts'
import { DockerContainers } from '../../connectors/docker/docker-containers.ts'
import { DockerEngine } from '../../connectors/docker/docker-engine.ts'
import { ImageRegistries } from '../../connectors/docker/image-registries.ts'
import { GuardedHttpCalls } from '../../connectors/http-calls/guarded-http-calls.ts'
import { ServerHosts } from '../../connectors/models/tensorflow-serving/server-hosts.ts'
import { TensorFlowServing } from '../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import { decodePicture } from '../../connectors/pictures/picture-decoder.ts'
import { PostgresServers } from '../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../connectors/postgres/postgres-hosts.ts'
import { LocalProcesses } from '../../connectors/processes/local-processes.ts'
import { LocalPython } from '../../connectors/python/local-python.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Settings } from '../config/settings.ts'
import { pythonSdk } from './python-sdk-folder.ts'

export interface BeePortsOptions {
  readonly settings: Pick<
    Settings,
    'gpu' | 'model_hosts' | 'model_memory_bytes' | 'data_dir' | 'dev' | 'http_call_hosts' | 'postgres_hosts' | 'image_hosts' | 'python_requirements'
  >
  /** The number of threads for each model. */
  readonly threads: number
  readonly database: BeePorts['database']
  readonly printing?: BeePorts['printing']
  /** When this signal aborts, the installation of a Python bee's requirements stops. */
  readonly signal?: AbortSignal
}

/** The ports through which bees of this process reach the outside world. */
export function beePorts({ settings, threads, database, printing, signal }: BeePortsOptions): BeePorts {
  const processes = new LocalProcesses({ clock: systemClock })
  const directory = join(settings.data_dir, 'python')
  const containers = new DockerContainers({
    engine: new DockerEngine(),
    clock: systemClock,
    dataDirectory: settings.data_dir,
    registries: new ImageRegistries(settings.image_hosts),
    requireGpu: settings.gpu === 'require',
  })
  return {
    models: modelsOf(settings, threads),
    modelServers: new TensorFlowServing({ clock: systemClock, hosts: new ServerHosts(settings.model_hosts) }),
    pictures: { decode: decodePicture },
    processes,
    containers,
    python: new LocalPython({
      clock: systemClock,
      processes,
      containers,
      directory,
      sdk: pythonSdk(),
      allowedRequirements: settings.python_requirements,
      reload: settings.dev === 1,
      ...(signal === undefined ? {} : { signal }),
    }),
    database,
    http: new GuardedHttpCalls({ clock: systemClock, hosts: settings.http_call_hosts }),
    postgres: new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(settings.postgres_hosts) }),
    ...(printing === undefined ? {} : { printing }),
  }
}

/** The port through which bees of this process run models. `threads` is the number of threads for each model. */
export function modelsOf(
  { gpu, model_memory_bytes: memoryBytes }: Pick<Settings, 'gpu' | 'model_memory_bytes'>,
  threads: number,
): BeePorts['models'] {
  return new ThreadedModels({ requireGpu: gpu === 'require', threads, memoryBytes, clock: systemClock })
}
