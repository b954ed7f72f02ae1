import { useEffect, useState } from 'htm/preact/standalone'

/**
 * The view that the address names after `#`, with the chosen swarm, bee, request and topic. A view can therefore be linked, and the browser's Back
 * button works.
 */
export function usePlace() {
  const [place, setPlace] = useState(read)
  useEffect(() => {
    const change = () => setPlace(read())
    addEventListener('hashchange', change)
    return () => removeEventListener('hashchange', change)
  }, [])
  /** Changes parts of the place. A part that is null is removed. */
  const go = (parts) => {
    const next = new URLSearchParams(Object.entries({ ...read(), ...parts }).filter(([, value]) => value !== null))
    location.hash = next.toString()
  }
  return [place, go]
}

function read() {
  const named = new URLSearchParams(location.hash.slice(1))
  return Object.fromEntries(['view', 'swarm', 'bee', 'request', 'topic'].map((name) => [name, named.get(name)]))
}
