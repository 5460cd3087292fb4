/** The package's version, written in by the build. */
declare const BACKLIGHT_VERSION: string | undefined;

export const VERSION: string = typeof BACKLIGHT_VERSION === 'string' ? BACKLIGHT_VERSION : 'development';

/** The commit that was built, where the build knew it. */
declare const BACKLIGHT_COMMIT: string | undefined;

export const COMMIT: string | undefined = typeof BACKLIGHT_COMMIT === 'string' && BACKLIGHT_COMMIT !== '' ? BACKLIGHT_COMMIT : undefined;
