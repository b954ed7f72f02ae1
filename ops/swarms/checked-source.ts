import { type BeeCheckOptions, type CheckedBees, checkBees } from '../../bees/hosting/check-bees.ts'
import { ImageRegistries } from '../../connectors/docker/image-registries.ts'
import { GuardedHttpCalls } from '../../connectors/http-calls/guarded-http-calls.ts'
import { ServerHosts } from '../../connectors/models/tensorflow-serving/server-hosts.ts'
import { TensorFlowServing } from '../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { ThreadedModels } from '../../connectors/models/threaded-models.ts'
import { PostgresServers } from '../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../connectors/postgres/postgres-hosts.ts'
import { requirementsOf } from '../../connectors/python/requirements.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import type { ModelServers } from '../../topology/swarm/ports/model-servers.ts'
import type { Postgres } from '../../topology/swarm/ports/postgres.ts'
import type { Programs } from '../../topology/swarm/ports/programs.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { secretWarnings, withSecrets } from '../../topology/swarm/secrets/secret-references.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { openRemoteModels } from '../beekeeper/open-remote-models.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import { ModelPlaces } from '../config/model-places.ts'
import type { Settings } from '../config/settings.ts'
import type { SwarmSource } from './swarm-source.ts'

export interface CheckedSource extends CheckedBees {
  readonly swarm: CheckedSwarm
}

/**
 * Checks a swarm, including the models, modules and programs that it names. Files outside of the directory `within` are refused. The result and the
 * errors contain no secrets.
 */
export async function checkedSource(
  { swarm, registry, config, directory, within }: SwarmSource & { readonly within?: string },
  {
    programs,
    modelServers,
    postgres,
    ...options
  }: Pick<BeeCheckOptions, 'mayBeMissing'> & {
    readonly programs: Programs
    readonly modelServers?: Pick<ModelServers, 'open'>
    readonly postgres?: Postgres
  },
): Promise<CheckedSource> {
  const remote = openRemoteModels(config.settings, systemClock)
  const places = new ModelPlaces({ resolve: config.resolve, directory, remote, mayFetch: false, ...(within === undefined ? {} : { within }) })
  const redaction = new Redaction(hiddenValues(config))
  const missing: WaggleError[] = []
  const bees = swarm.bees.map((bee, at) => ({
    ...bee,
    spec: withSecrets(swarm.document, bee.spec, ['bees', at, 'spec'], { secrets: config.secrets, schema: bee.type.spec, mistakes: missing }),
  }))
  try {
    const { found, warnings } = await checkBees(
      { ...swarm, bees },
      {
        registry,
        ports: {
          models: new ThreadedModels({ requireGpu: false, memoryBytes: config.settings.model_memory_bytes }),
          modelServers: modelServers ?? new TensorFlowServing({ clock: systemClock, hosts: new ServerHosts(config.settings.model_hosts) }),
          http: new GuardedHttpCalls({ clock: systemClock, hosts: config.settings.http_call_hosts }),
          postgres: postgres ?? new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(config.settings.postgres_hosts) }),
          programs: withAllowedSources(programs, config.settings),
        },
        resolve: (uri, kind, fetch) => places.path(uri, kind, fetch),
        resolveCommand: (image) => config.resolve.command(image),
        ...options,
      },
    )
    return { swarm, found, warnings: [...missing, ...secretWarnings(swarm), ...warnings].map((warning) => redacted(warning, redaction)) }
  } catch (thrown) {
    throw redaction.error(thrown)
  }
}

/**
 * The same checks. An image that is missing on this machine must come from an allowed registry, and the requirements of a Python bee may name only
 * what is allowed.
 */
function withAllowedSources(
  programs: Programs,
  { image_hosts, python_requirements: allowed }: Pick<Settings, 'image_hosts' | 'python_requirements'>,
): Programs {
  const registries = new ImageRegistries(image_hosts)
  return {
    checkModule: (module) => programs.checkModule(module),
    async checkPython(bee) {
      if (!bee.runsElsewhere) requirementsOf(bee.requirements, bee.file, allowed)
      return programs.checkPython(bee)
    },
    checkCommand: (command, env) => programs.checkCommand(command, env),
    async hasImage(image, bee) {
      const isHere = await programs.hasImage(image, bee)
      if (isHere === false) registries.check(image, bee)
      return isHere
    },
  }
}

function redacted(warning: WaggleError, redaction: Redaction): WaggleError {
  const error = redaction.error(warning)
  return error instanceof WaggleError ? error : warning
}
