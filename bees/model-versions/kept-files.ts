/** The files of a model on this disk. The files stay on the disk until `end` is called. */
export interface KeptFiles {
  readonly path: string
  end(): void
}

/** Finds files by `find`. The signal for `find` aborts when the files need not stay on this disk any more. */
export async function keptFiles(find: (until: AbortSignal) => Promise<string>): Promise<KeptFiles> {
  const keeping = new AbortController()
  const end = () => keeping.abort()
  try {
    return { path: await find(keeping.signal), end }
  } catch (thrown) {
    end()
    throw thrown
  }
}
