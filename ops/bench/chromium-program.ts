import { existsSync } from 'node:fs'

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium']

export const missingChromium = 'There is no Chromium: install Debian’s package chromium, or set CHROMIUM to its path'

/** The program of `CHROMIUM`, or else an installed Chromium; null if there is none. */
export function chromiumProgram(): string | null {
  return places.find((place) => place !== undefined && existsSync(place)) ?? null
}

/** The sandbox needs namespaces, which root in a container does not have. The pages are Waggle's own. */
export const chromiumArguments: readonly string[] = ['--no-sandbox', '--disable-dev-shm-usage']
