import { compositeSerde } from '../composite-serde.ts'
import type { AnySerde, Serde } from '../serde.ts'
import { WaggleError } from '../waggle-error.ts'

export interface DefaultSerdes {
  readonly key: AnySerde | null
  readonly value: AnySerde | null
}

/**
 * Stands for a serde that was not given, or for a serde that is made of a serde that was not given. The application's defaults replace it at the
 * start.
 */
class UnsetSerde {
  readonly resolve: (defaults: DefaultSerdes) => AnySerde

  constructor(resolve: (defaults: DefaultSerdes) => AnySerde) {
    this.resolve = resolve
  }

  serialize(): never {
    throw unresolved
  }

  deserialize(): never {
    throw unresolved
  }
}

/** The serde itself, or the default if the serde is unset. Throws WAGGLE_SERDE_MISSING without a default. */
export function resolved(serde: AnySerde, defaults: DefaultSerdes): AnySerde {
  return serde instanceof UnsetSerde ? serde.resolve(defaults) : serde
}

export function serdeOr(serde: AnySerde | null, of: 'key' | 'value', where: string): AnySerde {
  if (serde !== null) return serde
  return new UnsetSerde((defaults) => {
    const usual = defaults[of]
    if (usual !== null) return usual
    throw new WaggleError('WAGGLE_SERDE_MISSING', {
      message: `${where} has no serde for its ${of}s`,
      next: `Give a serde there, or set ${of === 'key' ? 'defaultKeySerde' : 'defaultValueSerde'}.`,
    })
  }) as AnySerde
}

/** A serde made of other serdes. If one of the other serdes is unset, the result is unset too until the application starts. */
export function composed<T>(inners: readonly AnySerde[], make: (...inners: readonly Serde<unknown>[]) => Serde<T>): Serde<T> {
  const made = (list: readonly AnySerde[]) => compositeSerde(list as readonly unknown[] as readonly Serde<unknown>[], make)
  if (!inners.some((inner) => inner instanceof UnsetSerde)) return made(inners)
  return new UnsetSerde((defaults) => made(inners.map((inner) => resolved(inner, defaults))) as AnySerde) as Serde<T>
}

const unresolved = new WaggleError('WAGGLE_INTERNAL', { message: 'A serde was used before its application started', next: 'Report this as a bug.' })
