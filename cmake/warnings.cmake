# Warnings for every target of ours. What is missing from a compiler is asked of the other one.
add_compile_options(
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wcast-qual -Wformat=2 -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wundef -Wwrite-strings -Wnull-dereference -Wswitch-enum)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wimplicit-fallthrough=5)
else()
  add_compile_options(-Wimplicit-fallthrough
    -Wno-gnu-statement-expression # TRY-like macros, gnu17 is our dialect
    -Wno-gnu-zero-variadic-macro-arguments)
endif()
if(HAUL_WERROR)
  add_compile_options(-Werror)
endif()

add_compile_options(-fno-omit-frame-pointer)
if(HAUL_SANITIZE)
  add_compile_options(-fsanitize=${HAUL_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${HAUL_SANITIZE})
endif()
if(HAUL_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-ffunction-sections -fdata-sections -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
  add_link_options(-Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now)
endif()
