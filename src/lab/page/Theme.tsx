/** Light, dark, or as the system has it. The choice is kept in this browser. */
import { useEffect, useState } from 'preact/hooks';

const THEMES = ['system', 'light', 'dark'] as const;

type Theme = (typeof THEMES)[number];

const KEY = 'backlight-theme';

function kept(): Theme {
  try {
    const value = localStorage.getItem(KEY) as Theme | null;
    return value && THEMES.includes(value) ? value : 'system';
  } catch {
    // A browser that keeps nothing.
    return 'system';
  }
}

export function Theme() {
  const [theme, set] = useState(kept);
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Then it lasts as long as the page.
    }
  }, [theme]);
  return (
    <select aria-label="colour scheme" value={theme} onChange={(event) => set(event.currentTarget.value as Theme)}>
      {THEMES.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  );
}
