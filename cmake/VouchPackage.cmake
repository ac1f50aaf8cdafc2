# What is installed, and the Debian package: `cpack -G DEB` in the build folder.
include(GNUInstallDirs)
install(TARGETS vouch RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
# systemd looks here on every distribution; the library folder may be lib64.
install(FILES "${PROJECT_SOURCE_DIR}/api/vouchdb.service" DESTINATION lib/systemd/system)
install(FILES "${PROJECT_SOURCE_DIR}/docs/vouch.yaml" DESTINATION /etc/vouch)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" RENAME copyright)
# Clients in other languages make their stubs of these.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/api/proto/" DESTINATION "${CMAKE_INSTALL_DATADIR}/vouch/proto"
  FILES_MATCHING PATTERN "*.proto")

set(CPACK_PACKAGE_NAME vouchdb)
set(CPACK_PACKAGE_VENDOR "VouchDB")
set(CPACK_PACKAGE_CONTACT "VouchDB developers <vouchdb@localhost>")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Vector database and RAG engine whose every answer can be vouched for")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/cmake/conffiles")
include(CPack)
