import { keyAtFault } from '../../bees/hosting/check-bees.ts'
import type { HostOptions } from '../../bees/hosting/host-options.ts'
import type { HostRedactions } from '../../bees/hosting/redacted-host.ts'
import { SchemaChecker } from '../../topology/swarm/check/schema-checker.ts'
import type { CheckedSwarm, SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { secretNames, withSecrets } from '../../topology/swarm/secrets/secret-references.ts'
import { invalidSwarm } from '../../topology/swarm/swarm-document.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Config } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'

/** The specs of a swarm's bees with the values of secrets, and the redactions that hide these values in outputs. */
export interface SwarmSecrets {
  readonly host: Pick<HostOptions, 'specOf' | 'fileAndLineOf'>
  readonly redactions: HostRedactions & { readonly errors: Redaction }
}

/**
 * Puts the values of secrets into specs. A bee gets the values of its own spec when it opens. The plan, pages and other bees see only the names of
 * secrets. Throws WAGGLE_INVALID_SWARM for secrets that do not exist.
 */
export function swarmSecrets(swarm: CheckedSwarm, bees: readonly SwarmBee[], config: Config): SwarmSecrets {
  const mistakes: WaggleError[] = []
  const filled = new Map(
    bees.map(({ name, spec, type }, at) => {
      const { secrets } = config
      return [name, withSecrets(swarm.document, spec, ['bees', at, 'spec'], { secrets, schema: type.spec, mistakes })] as const
    }),
  )
  if (mistakes.length === 0) checkFilled(swarm, bees, config, mistakes)
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
  const hidden = hiddenValues(config)
  const at = new Map(bees.map(({ name }, index) => [name, index]))
  return {
    host: {
      specOf: (bee) => filled.get(bee.name) ?? bee.spec,
      fileAndLineOf: (bee, error) => swarm.document.place(['bees', at.get(bee.name) ?? 0, ...keyAtFault(error, bee)]),
    },
    redactions: { errors: new Redaction(hidden), resultsOf: (bee) => resultRedaction(bee, hidden) },
  }
}

/** Checks the specs again with the values of secrets. A text that contains a secret cannot be checked against a pattern of the schema before. */
function checkFilled({ document }: CheckedSwarm, bees: readonly SwarmBee[], { secrets }: Config, mistakes: WaggleError[]): void {
  const schemas = new SchemaChecker(document, mistakes)
  for (const [index, { spec, type }] of bees.entries()) {
    if (secretNames(spec).size === 0) continue
    const at = ['bees', index, 'spec']
    schemas.checkFilled(type.spec, withSecrets(document, spec, at, { secrets, schema: {}, mistakes }), at)
  }
}

/** Hides the secrets that a bee's spec names in the bee's results; null for a bee without secrets. */
function resultRedaction({ spec }: SwarmBee, hidden: ReadonlyMap<string, string>): Redaction | null {
  const names = secretNames(spec)
  if (names.size === 0) return null
  return new Redaction(new Map([...hidden].filter(([shown]) => names.has(shown.replace(/^.*secrets\./, '')))))
}
